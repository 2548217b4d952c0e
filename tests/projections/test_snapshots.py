"""Snapshots give back the state to the last bit, and are set aside when anything about them is off."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

import projections.sinks.snapshots
from projections.checkpoint import Checkpoint
from projections.folds.projection import FOLD_VERSION, State, fold
from projections.sinks.snapshots import SnapshotFile
from tests.folds.log import DECODER, Log, fold_all, state_bytes
from tests.folds.stories import ANYTHING, months, stories


def checkpoint_of(state: State) -> Checkpoint:
    return Checkpoint("TIPS", "c", state.seq, 7, "m", FOLD_VERSION, "wellbeing.v1")


def saved(tmp_path: Path) -> SnapshotFile:
    """A snapshot of a small log."""
    log = Log()
    log.scored()
    log.feedback()
    file = SnapshotFile(tmp_path / "some.state")
    file.save(log.state, checkpoint_of(log.state))
    return file


@given(stories(ANYTHING | months))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_state_comes_back_to_the_last_bit_and_folds_on(log: Log) -> None:
    half = len(log.records) // 2
    state, _ = fold_all(log.records[:half])
    with tempfile.TemporaryDirectory() as folder:
        file = SnapshotFile(Path(folder) / "some.state")
        file.save(state, checkpoint_of(state))
        loaded = file.load()
    assert loaded is not None
    again, checkpoint = loaded
    assert checkpoint == checkpoint_of(state)
    assert file.pack(again, checkpoint) == file.pack(state, checkpoint)
    for recorded in log.records[half:]:
        fold(again, DECODER.decode(recorded))
    assert state_bytes(again) == state_bytes(log.state)


def test_without_a_file_there_is_no_snapshot(tmp_path: Path) -> None:
    assert SnapshotFile(tmp_path / "none.state").load() is None


@pytest.mark.parametrize("position", [0, 20, 40, 200, -1])
def test_a_damaged_byte_anywhere_sets_it_aside(tmp_path: Path, position: int) -> None:
    file = saved(tmp_path)
    data = bytearray(file.path.read_bytes())
    data[position] ^= 0xFF
    file.path.write_bytes(data)
    assert file.load() is None


@pytest.mark.parametrize("length", [0, 5, 20, 100, -1])
def test_a_cut_file_is_set_aside(tmp_path: Path, length: int) -> None:
    file = saved(tmp_path)
    file.path.write_bytes(file.path.read_bytes()[:length])
    assert file.load() is None


def test_another_fold_version_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = saved(tmp_path)
    monkeypatch.setattr(projections.sinks.snapshots, "FOLD_VERSION", FOLD_VERSION + 1)
    assert file.load() is None


def test_a_checkpoint_that_is_not_the_states_is_set_aside(tmp_path: Path) -> None:
    file = saved(tmp_path)
    loaded = file.load()
    assert loaded is not None
    file.save(loaded[0], replace(loaded[1], seq=99))
    assert file.load() is None


def test_a_failed_write_leaves_the_snapshot_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = saved(tmp_path)
    before = file.path.read_bytes()

    def full(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        file.write(b"new")
    assert file.path.read_bytes() == before
