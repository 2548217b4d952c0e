"""A backup that is not as it was written is refused by name, and nothing is touched."""

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from services.backup.archive import verified
from services.backup.errors import BackupDamaged
from services.backup.restoring import restore
from services.settings import Settings
from tests.backup.installation import quiet


def refused(path: Path) -> str:
    with pytest.raises(BackupDamaged) as caught:
        verified(path, quiet)
    return str(caught.value)


def members(path: Path) -> dict[str, tuple[int, int]]:
    """Where each member's content lies in the file, and how long it is."""
    with tarfile.open(path) as tar:
        return {member.name: (member.offset_data, member.size) for member in tar}


def with_a_bit_turned(path: Path, place: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1]))


def rewritten(path: Path, *added: tuple[tarfile.TarInfo, bytes], without: str = "") -> None:
    """The same tar with other members."""
    with tarfile.open(path) as tar:
        kept = [(one, file.read()) for one in tar if one.name != without and (file := tar.extractfile(one))]
    with tarfile.open(path, "w") as tar:
        for member, data in (*added, *kept):
            tar.addfile(member, io.BytesIO(data))


def plain(name: str, data: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    return member, data


@pytest.mark.parametrize("name", ["stream/000001", "keys/signing.key", "accounts.sqlite", "manifest.json"])
def test_a_bit_that_turned_is_found_in_its_member(backup: Path, name: str) -> None:
    start, size = members(backup)[name]
    with_a_bit_turned(backup, start + size // 2)
    assert f"{name} is not" in refused(backup)


def test_any_header_that_was_damaged_is_found(backup: Path) -> None:
    for start, _ in members(backup).values():
        with_a_bit_turned(backup, start - 500)
        refused(backup)
        with_a_bit_turned(backup, start - 500)
    verified(backup, quiet)


def test_a_file_that_was_cut_short_is_refused_wherever_it_was_cut(backup: Path) -> None:
    whole, found = backup.read_bytes(), members(backup)
    start, size = found["stream/000001"]
    for cut in (start + size // 2, start, found["manifest.json"][0], found["manifest.sha256"][0], 0):
        backup.write_bytes(whole[:cut])
        refused(backup)
    backup.write_bytes(whole[: start + size // 2])
    assert "is cut short in stream/000001" in refused(backup)


def test_what_was_appended_is_found(backup: Path) -> None:
    whole = backup.read_bytes()
    for more in (whole, b"hello"):
        backup.write_bytes(whole + more)
        assert "holds something after its end" in refused(backup)


@pytest.mark.parametrize("content", [b"", b"nonsense" * 1000, b"\0" * 20480, b"\x1f\x8b\x08\x00" * 100])
def test_what_is_no_tar_is_no_backup(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    assert "no backup of Tipstream" in refused(path)


@pytest.mark.parametrize("packed", [gzip.compress, bz2.compress, lzma.compress])
def test_a_backup_that_somebody_packed_is_to_be_unpacked(backup: Path, packed: Callable[[bytes], bytes]) -> None:
    backup.write_bytes(packed(backup.read_bytes()))
    assert "is packed; unpack it first (`" in refused(backup)


def test_a_tar_of_somebody_else_is_no_backup(tmp_path: Path) -> None:
    path = tmp_path / "other.tar"
    with tarfile.open(path, "w") as tar:
        member, data = plain("etc/passwd")
        tar.addfile(member, io.BytesIO(data))
    assert "'etc/passwd', which no backup does" in refused(path)


@pytest.mark.parametrize(
    "name", ["../outside", "keys/../../outside", "/tmp/outside", "keys//x", "keys/./x", "nats/x", "INCOMPLETE", "keys/"]
)
def test_no_name_leads_out_of_home(backup: Path, name: str) -> None:
    rewritten(backup, plain(name))
    assert "which no backup does" in refused(backup)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_nothing_but_plain_files_is_taken(backup: Path, kind: bytes) -> None:
    member = tarfile.TarInfo("keys/other")
    member.type, member.linkname = kind, "keys/signing.key"
    rewritten(backup, (member, b""))
    assert "which no backup does" in refused(backup)


def test_members_that_are_added_missing_or_there_twice_are_named(backup: Path) -> None:
    whole = backup.read_bytes()
    rewritten(backup, plain("keys/other.key"))
    assert "keys/other.key is not in its manifest" in refused(backup)
    backup.write_bytes(whole)
    rewritten(backup, without="secrets/api.key")
    assert "secrets/api.key is missing" in refused(backup)
    backup.write_bytes(whole)
    rewritten(backup, plain("keys/signing.key"))
    assert "keys/signing.key is there twice" in refused(backup)


def test_a_file_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refused(tmp_path / "nothing")
    assert "cannot be read: Is a directory" in refused(tmp_path)


async def test_a_damaged_backup_touches_nothing(backup: Path, elsewhere: Settings) -> None:
    start, _ = members(backup)["secrets/api.key"]
    with_a_bit_turned(backup, start)
    with pytest.raises(BackupDamaged, match=r"secrets/api\.key is not what was backed up"):
        await restore(elsewhere, backup, quiet)
    assert not elsewhere.home.exists()
