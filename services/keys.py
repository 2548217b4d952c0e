"""The secrets under HOME: made once, kept 0600, and never on the stream.

Two processes may start at once: each writes a whole file under a name of its own and links it into place, so
that one of them wins and both read the same bytes.
"""

import base64
import binascii
import hashlib
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from contracts.errors import TipstreamError
from services.durable import new_file, sync
from services.settings import PREFIX, Settings

SEED_BYTES = 32
"""Length of an Ed25519 private key seed (RFC 8032, section 5.1.5)."""


class KeyFileError(TipstreamError):
    """A key file cannot be made, read or trusted; the message names it and says how to mend it."""


class NoSystem(TipstreamError):
    """HOME holds no Tipstream, most likely by a mistyped name: what is made there no other would take."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """What a caller must show: `api_key` on the public routes, `admin_password` on the admin ones."""

    api_key: str = field(repr=False)
    admin_password: str = field(repr=False)


def load_secrets(settings: Settings) -> Secrets:
    """The secrets of the environment, else those of HOME, made when absent. Raises `KeyFileError`."""
    return Secrets(
        api_key=_chosen(settings.api_key, _api_key_file(settings)),
        admin_password=_chosen(settings.admin_password, _admin_file(settings)),
    )


def announce(settings: Settings) -> dict[str, str]:
    """The generated secrets that nobody has been shown yet, by variable name; the next call gives none.

    Secrets that the environment sets are known to their owner and never announced.
    """
    found = load_secrets(settings)
    generated = {
        f"{PREFIX}API_KEY": (settings.api_key, _api_key_file(settings), found.api_key),
        f"{PREFIX}ADMIN_PASSWORD": (settings.admin_password, _admin_file(settings), found.admin_password),
    }
    return {
        name: value
        for name, (given, path, value) in generated.items()
        if given is None and _create(_shown_mark(path, value), b"")
    }


def check_begun(settings: Settings) -> None:
    """See that a Tipstream has begun in HOME, or is being restored to it, and make nothing. Raises `NoSystem`.

    Each process of one makes the signing key before all else that can be asked for.
    """
    if not any(map(os.path.exists, (_signing_file(settings), settings.restoring_mark))):
        raise NoSystem(
            f"{PREFIX}HOME: there is no Tipstream in {settings.home} (no keys/signing.key that you can see); "
            "name the HOME of the one that you mean, or start it first"
        )


def signing_seed(settings: Settings) -> bytes:
    """The 32-byte Ed25519 seed that signs admin and catalog events, made when absent.

    Raises `KeyFileError`.
    """
    path = _signing_file(settings)
    text = load_or_create(path, lambda: base64.b64encode(secrets.token_bytes(SEED_BYTES)).decode())
    try:
        seed = base64.b64decode(text, validate=True)
    except binascii.Error:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise KeyFileError(f"{path} holds no Ed25519 seed (32 bytes in base64); restore it from a backup")
    return seed


def _signing_file(settings: Settings) -> Path:
    return settings.keys_dir / "signing.key"


def _api_key_file(settings: Settings) -> Path:
    return settings.secrets_dir / "api.key"


def _admin_file(settings: Settings) -> Path:
    return settings.secrets_dir / "admin.key"


def _shown_mark(path: Path, value: str) -> Path:
    """Stands for this very value, so that a key made anew after its file was deleted is shown again."""
    return path.with_name(f".{path.name}.{hashlib.sha256(value.encode()).hexdigest()[:8]}.shown")


def _chosen(given: SecretStr | None, path: Path) -> str:
    if given is not None:
        return given.get_secret_value()
    text = load_or_create(path, lambda: secrets.token_urlsafe(24))
    if not text:
        raise KeyFileError(f"{path} is empty; delete it to have a new one made")
    return text


def load_or_create(path: Path, make: Callable[[], str]) -> str:
    """The text of a key file, made when absent; two who make it at once read the same. Raises `KeyFileError`."""
    if not path.exists():
        _create(path, f"{make()}\n".encode())
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise KeyFileError(f"{path} cannot be read: {problem}") from problem
    if mode & 0o077:
        raise KeyFileError(f"{path} can be read by others; take that away with: chmod 600 {path}")
    return text


def _create(path: Path, content: bytes) -> bool:
    """Put `content` at `path` unless something is there; True if this call did. Never seen half written."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        opened = new_file(draft)
        try:
            with opened as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.link(draft, path)
        finally:
            with suppress(FileNotFoundError):
                draft.unlink()
        sync(path.parent)
    except FileExistsError:
        return False
    except OSError as problem:
        raise KeyFileError(f"{path} cannot be created: {problem.strerror or problem}") from problem
    return True
