"""The file of a backup: an uncompressed tar of plain files, closed by its manifest and the manifest's SHA-256.

The manifest comes last, since the sizes of the log's parts are known only once they have come; a file that was cut
short has none.
"""

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from services.backup.errors import BackupDamaged
from services.backup.manifest import FORMAT, STREAM, Manifest, Member

MANIFEST, SEAL = "manifest.json", "manifest.sha256"
PARTS = (STREAM, "keys", "secrets", "outbox", "mlflow", "accounts.sqlite")
"""The first piece of every member's name; all but the first are put under HOME by that name."""
PACKERS = {b"\x1f\x8b": "gunzip", b"BZh": "bunzip2", b"\xfd7zXZ\0": "unxz", b"\x28\xb5\x2f\xfd": "unzstd"}
"""How a file begins that somebody packed to keep it, and what unpacks it."""
PIECE = 1024 * 1024
MAX_MANIFEST = 256 * 1024 * 1024

Progress = Callable[[str, int, int | None], None]
"""What is being done, how much of it is done and of how much, in bytes (None: nobody knows)."""


class ArchiveWriter:
    """Adds members to an open file. Raises OSError."""

    def __init__(self, file: IO[bytes]) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 - ended by `close`
        self.members: list[Member] = []

    def add(self, name: str, data: bytes) -> None:
        """Add a member that is in memory."""
        self._add(name, len(data), io.BytesIO(data))

    def add_file(self, name: str, path: Path) -> None:
        """Add a file as it is now; what it grows by meanwhile is left out."""
        with path.open("rb") as file:
            self._add(name, path.stat().st_size, file)

    def close(self, manifest: Manifest) -> None:
        """Write the manifest and the end of the tar; the file stays open."""
        said = manifest.model_dump_json(indent=1).encode()
        for name, data in ((MANIFEST, said), (SEAL, hashlib.sha256(said).hexdigest().encode())):
            self._tar.addfile(_header(name, len(data)), io.BytesIO(data))
        self._tar.close()

    def _add(self, name: str, size: int, file: IO[bytes]) -> None:
        hashed = _Hashed(file)
        self._tar.addfile(_header(name, size), hashed)
        self.members.append(Member(name=name, size=size, sha256=hashed.digest.hexdigest()))


class _Hashed(io.RawIOBase):
    """A file that is hashed as it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        data = self._file.read(size)
        self.digest.update(data)
        return data


def _header(name: str, size: int) -> tarfile.TarInfo:
    header = tarfile.TarInfo(name)
    header.size, header.mode = size, 0o600
    return header


def verified(path: Path, progress: Progress) -> Manifest:
    """Read every byte of a backup. Raises BackupDamaged, which names the member that is not what it must be."""
    found: dict[str, Member] = {}
    closing: dict[str, bytes] = {}
    done, total = 0, _size(path)
    for name, size, file in _walk(path):
        if name in found or name in closing:
            raise BackupDamaged(f"{path}: {name} is there twice")
        if name in (MANIFEST, SEAL):
            if size > MAX_MANIFEST:
                raise BackupDamaged(f"{path}: {name} is too large to be one")
            closing[name] = _pieces(path, name, file, size)
            continue
        digest = hashlib.sha256()
        for piece in _read(path, name, file, size):
            digest.update(piece)
            done += len(piece)
            progress("verifying", done, total)
        found[name] = Member(name=name, size=size, sha256=digest.hexdigest())
    manifest = _manifest(path, closing)
    for member in manifest.members:
        there = found.pop(member.name, None)
        if there != member:
            said = "is missing" if there is None else "is not what was backed up (size or SHA-256 differ)"
            raise BackupDamaged(f"{path}: {member.name} {said}")
    if found:
        raise BackupDamaged(f"{path}: {next(iter(found))} is not in its manifest")
    return manifest


def _manifest(path: Path, closing: dict[str, bytes]) -> Manifest:
    if closing.keys() != {MANIFEST, SEAL}:
        raise BackupDamaged(f"{path} has no {MANIFEST}: it was cut short, or is no backup of Tipstream")
    if hashlib.sha256(closing[MANIFEST]).hexdigest().encode() != closing[SEAL]:
        raise BackupDamaged(f"{path}: {MANIFEST} is not as it was written")
    try:
        return Manifest.model_validate_json(closing[MANIFEST])
    except ValidationError:
        raise BackupDamaged(
            f"{path}: {MANIFEST} cannot be understood; this Tipstream reads backups of format {FORMAT}"
        ) from None


def contents(path: Path) -> Iterator[tuple[str, Iterator[bytes]]]:
    """The members but the manifest, in order, each with its bytes in pieces. Raises BackupDamaged."""
    for name, size, file in _walk(path):
        if name not in (MANIFEST, SEAL):
            yield name, _read(path, name, file, size)


def _walk(path: Path) -> Iterator[tuple[str, int, IO[bytes]]]:
    with _readable(path), tarfile.open(path, "r:") as tar:
        for member in tar:
            name = member.name
            if not _is_expected(name.split("/")) or not member.isreg() or member.issparse():
                raise BackupDamaged(f"{path} holds {name!r:.200}, which no backup does; nothing of it was used")
            file = tar.extractfile(member)
            assert file is not None
            yield name, member.size, file
        _check_end(path, tar.offset)


def _check_end(path: Path, at: int) -> None:
    """Whoever appends something to a backup expects it to be restored; a tar's reader would pass over it."""
    with path.open("rb") as file:
        file.seek(at)
        while piece := file.read(PIECE):
            if piece.strip(b"\0"):
                raise BackupDamaged(f"{path} holds something after its end, which no backup does")


def _is_expected(pieces: Sequence[str]) -> bool:
    """Whether a name stays in its part of HOME."""
    if not {"", ".", ".."}.isdisjoint(pieces):
        return False
    return pieces[0] in PARTS or (len(pieces) == 1 and pieces[0] in (MANIFEST, SEAL))


def _read(path: Path, name: str, file: IO[bytes], size: int) -> Iterator[bytes]:
    left = size
    while left:
        try:
            piece = file.read(min(PIECE, left))
        except tarfile.TarError:
            piece = b""
        if not piece:
            raise BackupDamaged(f"{path} is cut short in {name}")
        left -= len(piece)
        yield piece


def _pieces(path: Path, name: str, file: IO[bytes], size: int) -> bytes:
    return b"".join(_read(path, name, file, size))


def _size(path: Path) -> int:
    with _readable(path):
        return path.stat().st_size


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Say in words why a file cannot be read."""
    try:
        yield
    except (tarfile.TarError, ValueError, EOFError) as problem:
        # Fields of a damaged header that are no numbers or no text are told by `ValueError`.
        if (unpack := _unpacker(path)) is not None:
            said = f"{path} is no backup of Tipstream while it is packed; unpack it first (`{unpack}`)"
            raise BackupDamaged(said) from None
        raise BackupDamaged(f"{path} is no backup of Tipstream, or is damaged ({problem})") from None
    except OSError as problem:
        raise BackupDamaged(f"{path} cannot be read: {problem.strerror or problem}") from None


def _unpacker(path: Path) -> str | None:
    with path.open("rb") as file:
        begin = file.read(max(map(len, PACKERS)))
    return next((unpack for magic, unpack in PACKERS.items() if begin.startswith(magic)), None)
