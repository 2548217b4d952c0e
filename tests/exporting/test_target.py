"""A file is there whole or not at all, for its owner only."""

import asyncio
import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.envelope import Entry
from services.durable import NotWritten, check_place
from services.exporting import parquet
from services.exporting.errors import ExportFailed
from services.exporting.lines import event_line
from services.exporting.target import Format, format_of, target
from tests.exporting.test_lines import entry_of
from tests.room import room_for

ENTRY = entry_of("tips.feedback.helpful.ann", b"{}")
NAMES = ("log.jsonl", "log.jsonl.gz", "log.parquet")


def write(path: Path, *entries: Entry, force: bool = False, then: Callable[[], object] = lambda: None) -> None:
    """Export these, or one, and do something before the file is complete."""
    with target(path, format_of(path), force=force) as put:
        for entry in entries or (ENTRY,):
            put(entry)
        then()


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_there_once_it_is_whole_and_for_its_owner_only(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with target(path, format_of(path)) as put:
        put(ENTRY)
        assert not path.exists()
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == [name]


def test_a_name_says_the_format_and_an_option_overrules_it(tmp_path: Path) -> None:
    assert [format_of(Path(name)) for name in NAMES] == [Format.JSONL, Format.JSONL, Format.PARQUET]
    for name in ("log", "log.csv", "log.gz", "jsonl"):
        with pytest.raises(ExportFailed, match=r"in which format\? End the name in \.jsonl, \.jsonl\.gz, \.parquet"):
            format_of(Path(name))
    with target(tmp_path / "log.gz", Format.JSONL) as put:
        put(ENTRY)
    assert gzip.decompress((tmp_path / "log.gz").read_bytes()) == event_line(ENTRY)
    with target(tmp_path / "log.txt", Format.JSONL) as put:
        put(ENTRY)
    assert (tmp_path / "log.txt").read_bytes() == event_line(ENTRY)


def test_a_name_and_a_format_that_contradict_each_other_are_refused() -> None:
    assert format_of(Path("log.txt"), Format.PARQUET) is Format.PARQUET
    assert format_of(Path("log.parquet"), Format.PARQUET) is Format.PARQUET
    for name, asked in (("log.parquet", Format.JSONL), ("log.jsonl.gz", Format.PARQUET)):
        with pytest.raises(ExportFailed, match=f"the name asks for .*, --format for {asked}"):
            format_of(Path(name), asked)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_there_stays_unless_it_shall_be_replaced(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("mine")
    with pytest.raises(NotWritten, match="is there already; give another name, or --force"):
        write(path)
    assert path.read_text() == "mine"
    write(path, force=True)
    assert path.read_bytes() != b"mine"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == [name]


def test_what_came_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with pytest.raises(NotWritten, match="is there already"):
        write(path, then=lambda: path.write_text("mine"))
    assert path.read_text() == "mine"
    assert os.listdir(tmp_path) == ["log.jsonl"]


def test_no_folder_and_no_device_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    for path in (tmp_path / "folder.jsonl", Path("/dev/null")):
        with pytest.raises(NotWritten, match="no regular file"):
            check_place(path, force=True)
    with pytest.raises(NotWritten, match="there is no folder"):
        check_place(tmp_path / "absent" / "log.jsonl", force=True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("error", [KeyboardInterrupt, asyncio.CancelledError, NotWritten])
def test_an_export_that_is_broken_off_leaves_nothing(
    tmp_path: Path, name: str, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "ROWS", 1)

    def end() -> None:
        assert len(os.listdir(tmp_path)) == 1
        raise error

    with pytest.raises(error):
        write(tmp_path / name, then=end)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", NAMES)
def test_a_full_disk_leaves_nothing_and_is_said(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROWS", 1)
    entries = [
        entry_of("tips.feedback.helpful.ann", b'{"event_id": "%d"}' % hash(str(number))) for number in range(2000)
    ]
    with room_for(4096), pytest.raises(NotWritten, match=r"cannot be written \(File too large\)"):
        write(tmp_path / name, *entries)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_takes_nothing_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match="cannot be written"):
        write(Path("/proc/log.jsonl"))
