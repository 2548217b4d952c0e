"""The fold's state in a file: typed msgpack, which runs no code when it is read, behind a header that must match.

Layout: `MAGIC`, the header's length (4 bytes, big-endian), the header (checkpoint and SHA-256 of the rest), the state.
"""

import hashlib
import logging
import os
import struct
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from projections.checkpoint import Checkpoint
from projections.folds.projection import FOLD_VERSION, State

MAGIC = b"tipstream-state-1\n"
_LENGTH = struct.Struct(">I")

log = logging.getLogger(__name__)


class Header(msgspec.Struct, frozen=True):
    """What a snapshot says of itself before its state is decoded."""

    checkpoint: Checkpoint
    sha256: bytes


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [list(value.shape), value.astype("<f8", copy=False).tobytes()]
    raise TypeError(f"a state may not hold a {type(value).__name__}")


def _array(kind: Any, value: Any) -> Any:
    shape, raw = value
    # A copy, since folds add to it in place.
    return np.frombuffer(raw, dtype="<f8").reshape(shape).astype(np.float64)


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)
_states = msgspec.msgpack.Decoder(State, dec_hook=_array)
_headers = msgspec.msgpack.Decoder(Header)


class SnapshotFile:
    """One snapshot at `path`; a new one takes its place in one step."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def pack(self, state: State, checkpoint: Checkpoint) -> bytes:
        """The file's bytes; `state` must be the fold of everything up to and with the checkpoint."""
        payload = _encoder.encode(state)
        header = _encoder.encode(Header(checkpoint, hashlib.sha256(payload).digest()))
        return MAGIC + _LENGTH.pack(len(header)) + header + payload

    def write(self, packed: bytes) -> None:
        """Put packed bytes in place of the snapshot; raises OSError and then leaves the one that is there."""
        draft = self.path.with_name(f".{self.path.name}.draft")
        with draft.open("wb") as file:
            file.write(packed)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self.path)

    def save(self, state: State, checkpoint: Checkpoint) -> None:
        """Pack and write."""
        self.write(self.pack(state, checkpoint))

    def load(self) -> tuple[State, Checkpoint] | None:
        """The state and its checkpoint; None when there is no file, or one that is damaged or of another fold."""
        try:
            return self._read()
        except FileNotFoundError:
            return None
        except (OSError, ValueError, struct.error, msgspec.MsgspecError) as problem:
            log.warning("the snapshot %s is set aside: %s", self.path, problem)
            return None

    def _read(self) -> tuple[State, Checkpoint]:
        view = memoryview(self.path.read_bytes())
        if view[: len(MAGIC)] != MAGIC:
            raise ValueError("it is none of this format")
        at = len(MAGIC) + _LENGTH.size
        (length,) = _LENGTH.unpack_from(view, len(MAGIC))
        header = _headers.decode(view[at : at + length])
        payload = view[at + length :]
        if hashlib.sha256(payload).digest() != header.sha256:
            raise ValueError("its state is damaged")
        if header.checkpoint.fold_version != FOLD_VERSION:
            raise ValueError(f"it was folded by version {header.checkpoint.fold_version}, this is {FOLD_VERSION}")
        state = _states.decode(payload)
        if state.seq != header.checkpoint.seq:
            raise ValueError(f"its state is of {state.seq}, its checkpoint of {header.checkpoint.seq}")
        return state, header.checkpoint
