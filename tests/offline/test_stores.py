"""The built-in store and Feast tell the same signals at every position of the stream, and so give the same vectors."""

import subprocess
import sys
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import duckdb
import numpy as np
import orjson
import pytest

from contracts.times import HOUR_US, format_time
from ml.features.definitions import WELLBEING_V1
from ml.features.vector import read_context
from ml.offline.decisions import offline_decisions
from ml.offline.feast_repo import NotEmpty, export_feast
from ml.offline.store import Asked, DuckdbStore, vectors
from projections.sinks.duckdb import DuckdbSink
from services.durable import NotWritten
from tests.offline.conftest import Tables
from tests.offline.served import online, served
from tests.projections.office import Office
from tests.room import room_for

ROOT = Path(__file__).parents[2]


@pytest.fixture
def lived(office: Office) -> Office:
    """Two people with signals told at the same moment, late ones, expiring ones, and a decision between them."""
    log = office.log
    log.signal({"steps": 5000.0}, "bob", source="steps")
    log.signal({"mood": 4.0, "stress": 1.5}, "bob", source="mood")
    served(office, "d1")
    log.signal({"steps": 8000.0}, source="steps")
    log.signal({"steps": 9000.0}, source="steps")
    log.wait(hours=3)
    log.signal({"steps": 100.0}, source="steps", observed_us=log.now_us - 9 * HOUR_US)
    log.signal({"mood": 2.0}, source="mood", token_expires_us=log.now_us + HOUR_US)
    log.wait(hours=2)
    served(office, "d2")
    served(office, "d3", user="bob")
    return office


def asked_at_every_position(office: Office) -> list[Asked]:
    """Each person, somebody unknown among them, at each position of the log."""
    now = format_time(office.log.now_us)
    return [Asked(user, seq, now) for user in ("ann", "bob", "eve") for seq in range(office.log.seq + 1)]


def test_the_latest_signals_are_the_online_features(lived: Office, tables: Tables) -> None:
    with tables(lived.log).cursor() as cursor:
        ann, eve = DuckdbStore(cursor, WELLBEING_V1).latest(["ann", "eve"])
    assert {name: told["value"] for name, told in ann.items()} == {
        row["name"]: row["value"] for row in online(lived.log) if row["name"] in WELLBEING_V1.signals
    }
    assert eve == {}


def test_vectors_of_past_decisions_are_those_that_were_served(lived: Office, tables: Tables) -> None:
    with tables(lived.log).cursor() as cursor:
        decisions = list(offline_decisions(cursor, WELLBEING_V1))
        asked = [Asked(one.user_id, one.known_seq, one.context["now"]) for one in decisions]
        found = vectors(WELLBEING_V1, asked, DuckdbStore(cursor, WELLBEING_V1).known(asked))
    served_ones = [read_context(WELLBEING_V1, one.context).factors for one in decisions]
    assert len(decisions) == 3
    assert np.array_equal(found, np.array(served_ones))
    assert all(one.proven for one in decisions)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(find_spec("feast") is None, reason="Feast is not installed")
def test_feast_applies_materializes_and_gives_the_same_vectors(lived: Office, tables: Tables, tmp_path: Path) -> None:
    asked, repo = asked_at_every_position(lived), tmp_path / "repo"
    with tables(lived.log).cursor() as cursor:
        export_feast(cursor, WELLBEING_V1, repo)
        store = DuckdbStore(cursor, WELLBEING_V1)
        ours = {"known": store.known(asked), "latest": store.latest([one.user_id for one in asked])}
    questions = tmp_path / "questions.json"
    questions.write_bytes(orjson.dumps([list(one) for one in asked]))
    command = [sys.executable, "-m", "tests.offline.feast_alone", str(repo), str(questions)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    theirs = orjson.loads(done.stdout.splitlines()[-1])
    assert theirs == ours
    for answer in ("known", "latest"):
        ours_x, theirs_x = (vectors(WELLBEING_V1, asked, told[answer]) for told in (ours, theirs))
        assert ours_x.tobytes() == theirs_x.tobytes()
    assert len({str(told) for told in ours["known"]}) > 6, "people were known by turns"


def test_moments_rise_with_the_sequence_although_the_clock_stood_still(
    lived: Office, tables: Tables, tmp_path: Path
) -> None:
    sink: DuckdbSink = tables(lived.log)
    with sink.cursor() as cursor:
        written = export_feast(cursor, WELLBEING_V1, tmp_path / "repo")
        again = export_feast(cursor, WELLBEING_V1, tmp_path / "repo")
    assert written == again
    moments = duckdb.execute(
        "SELECT seq, epoch_us(known_at) FROM read_parquet(?) ORDER BY seq",
        [str(tmp_path / "repo" / "data" / "moments.parquet")],
    ).fetchall()
    recorded = {row["seq"]: row["recorded_at"] for row in lived.log.rows("signals")}
    assert [seq for seq, _ in moments] == sorted(recorded)
    assert all(earlier < later for (_, earlier), (_, later) in pairwise(moments))
    assert all(0 <= known - recorded[seq] < 100 for seq, known in moments)
    assert len(set(recorded.values())) < len(recorded), "some were recorded in the same microsecond"


@pytest.mark.parametrize("name", ["letter.txt", "definitions.py"])
def test_a_folder_with_something_else_is_left_alone(lived: Office, tables: Tables, tmp_path: Path, name: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("from feast import Entity")
    with tables(lived.log).cursor() as cursor, pytest.raises(NotEmpty, match="name a new folder"):
        export_feast(cursor, WELLBEING_V1, tmp_path / "mine")
    assert everything(tmp_path / "mine") == {name: b"from feast import Entity"}


def test_a_full_disk_leaves_nothing_new_and_what_was_there_before(
    lived: Office, tables: Tables, tmp_path: Path
) -> None:
    repo = tmp_path / "made" / "repo"
    with tables(lived.log).cursor() as cursor:
        with room_for(100), pytest.raises(NotWritten, match=f"{repo} cannot be written"):
            export_feast(cursor, WELLBEING_V1, repo)
        assert not (tmp_path / "made").exists()
        export_feast(cursor, WELLBEING_V1, repo)
    (repo / "data" / "registry.db").write_text("Feast's own")
    before = everything(repo)
    lived.log.signal({"steps": 7000.0}, "eve", source="steps")
    with tables(lived.log).cursor() as cursor:
        with room_for(100), pytest.raises(NotWritten):
            export_feast(cursor, WELLBEING_V1, repo)
        assert everything(repo) == before
        export_feast(cursor, WELLBEING_V1, repo)
    after = everything(repo)
    assert after.keys() == before.keys()
    assert after["data/steps.parquet"] != before["data/steps.parquet"]
    assert after["data/registry.db"] == b"Feast's own"


def test_what_a_killed_export_leaves_is_in_nobody_s_way(lived: Office, tables: Tables, tmp_path: Path) -> None:
    (tmp_path / "repo" / ".tipstream-0123" / "data").mkdir(parents=True)
    with tables(lived.log).cursor() as cursor:
        assert export_feast(cursor, WELLBEING_V1, tmp_path / "repo")["steps.parquet"]


def test_only_its_owner_reads_what_was_known_of_people(lived: Office, tables: Tables, tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    with tables(lived.log).cursor() as cursor:
        export_feast(cursor, WELLBEING_V1, repo)
    modes = {path.stat().st_mode & 0o777 for path in repo.rglob("*") if path.is_file()}
    assert (modes, repo.stat().st_mode & 0o777) == ({0o600}, 0o700)


def everything(folder: Path) -> dict[str, bytes]:
    """Each file below a folder with what is in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
