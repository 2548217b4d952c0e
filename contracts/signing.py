"""Ed25519 signatures (RFC 8032) over admin and catalog events, and whom a stream trusts.

The stream's first event, StreamStarted, names the key in its body; whoever has the log can check every signature.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from contracts import headers

_SIGNED_HEADERS = (
    headers.CE_ID,
    headers.CE_TYPE,
    headers.CE_SOURCE,
    headers.CE_TIME,
    headers.ACTOR,
    headers.KEY_ID,
)


def key_id_of(public_key: bytes) -> str:
    """A short name for a public key: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(public_key).hexdigest()[:16]


def signed_bytes(subject: str, fields: Mapping[str, str], data: bytes) -> bytes:
    """What the signature covers: subject, identity, time and actor as length-prefixed text, then the body."""
    parts = [subject, *(fields.get(name, "") for name in _SIGNED_HEADERS)]
    return b"".join(b"%d:%b," % (len(raw), raw) for raw in (part.encode() for part in parts)) + data


class Signer:
    """Signs in an actor's name with the installation's key; `seed` is the 32-byte Ed25519 seed."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.public_key)

    def sign(self, subject: str, fields: Mapping[str, str], data: bytes) -> str:
        """The base64 signature of a message whose headers already name actor and key."""
        return base64.b64encode(self._key.sign(signed_bytes(subject, fields, data))).decode("ascii")


@lru_cache
def _public(raw: bytes) -> Ed25519PublicKey:
    """A public key made ready; a stream has few, and a hundred thousand signatures under them."""
    return Ed25519PublicKey.from_public_bytes(raw)


@dataclass(frozen=True, slots=True)
class Trust:
    """The keys whose signatures count in one stream, by key id."""

    keys: Mapping[str, bytes]

    def refusal(self, subject: str, fields: Mapping[str, str], data: bytes) -> str | None:
        """Why a signature does not hold, None when it does."""
        public_key = self.keys.get(fields.get(headers.KEY_ID, ""))
        if public_key is None:
            return f"key {fields.get(headers.KEY_ID)!r} is not one this stream trusts"
        try:
            signature = base64.b64decode(fields.get(headers.SIGNATURE, ""), validate=True)
            _public(public_key).verify(signature, signed_bytes(subject, fields, data))
        except (ValueError, InvalidSignature):
            return "the signature does not match subject, headers and body"
        return None


NO_TRUST = Trust({})
