"""The Open Bandit Dataset comes in exactly: counts, clicks, ids, propensities, and nothing the second time."""

import csv
import gzip
import hashlib
import os
import shutil
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from contracts.envelope import Message
from contracts.times import parse_time
from services.bus.jetstream import JetStreamBus
from services.bus.memory import MemoryBus
from services.importing.bandit_log import logs, read_obd
from services.importing.errors import ImportFailed
from services.importing.obd import BUILT_IN, import_obd
from services.importing.survey import mark
from tests.importing.conftest import Fold
from tests.waiting import ManualClock

NOW = parse_time("2026-01-01T00:00:00Z")
HEAD = ",timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1,user_feature_2,user_feature_3"
ROW = "7,2019-11-24 00:03:13.442536+00:00,1,3,1,0.25,a,b,c,d"
ITEMS = "item_id,item_feature_0,item_feature_1\n0,-0.5,xx\n1,0.25,yy\n"


def small(folder: Path, text: str, items: str = ITEMS) -> Path:
    (folder / "random" / "men").mkdir(parents=True)
    (folder / "random" / "men" / "men.csv").write_text(text)
    (folder / "item_context_men.csv").write_text(items)
    return folder


@pytest.fixture(scope="module")
def sample() -> dict[str, list[Message]]:
    """What the sample's logs become, by policy."""
    return {log.policy: list(read_obd(log, now_us=NOW)) for log in logs(BUILT_IN)}


async def test_the_sample_gives_20000_decisions_and_115_clicks_and_importing_again_adds_nothing(
    bus: JetStreamBus, folded: Fold
) -> None:
    watched: list[tuple[int, int]] = []
    report = await import_obd(bus, BUILT_IN, progress=lambda done, total: watched.append((done, total)))
    assert watched[0] == (1000, 20_115)
    assert watched[-1] == (20_115, 20_115)
    assert (report.decisions, report.feedback, report.added, report.duplicates) == (20_000, 115, 20_115, 0)
    again = await import_obd(bus, BUILT_IN)
    assert (again.added, again.duplicates) == (0, 20_115)
    assert (await bus.info()).messages == 20_115

    tables = await folded(bus)
    assert "dead_letters" not in tables
    assert "bandit_stats" not in tables, "external decisions are not learned from"
    scores = tables["tip_scores"].values()
    assert Counter(row["policy"] for row in scores) == {"obd_random": 10_000, "obd_bts": 10_000}
    rewards = defaultdict[str, float](float)
    clicks = Counter[str]()
    for row in scores:
        assert row["external"]
        rewards[row["policy"]] += row["reward"] or 0.0
        clicks[row["policy"]] += row["verdict"] == "helpful"
    assert clicks == {"obd_random": 46, "obd_bts": 69}
    assert rewards["obd_random"] / 10_000 == 0.0023
    assert rewards["obd_bts"] / 10_000 == 0.00345
    assert Counter(row["status"] for row in tables["feedback"].values()) == {"external": 115}


async def test_importing_again_after_the_duplicate_window_adds_nothing(
    memory_bus: MemoryBus, clock: ManualClock, tmp_path: Path
) -> None:
    folder = small(tmp_path, f"{HEAD}\n{ROW}\n")
    assert (await import_obd(memory_bus, folder)).added == 2
    clock.advance(90 * 86400)
    assert (await import_obd(memory_bus, folder)).added == 0
    assert (await memory_bus.info()).messages == 2


async def test_a_row_that_stands_only_as_a_dead_letter_comes_in(
    memory_bus: MemoryBus, folded: Fold, tmp_path: Path
) -> None:
    folder = small(tmp_path, f"{HEAD}\n{ROW}\n")
    for message in read_obd(logs(folder)[0], now_us=NOW):
        fields = message.headers | {"Nats-Msg-Id": mark(message.subject, message.headers["ce-id"]).hex()}
        await memory_bus.publish(Message(message.subject, fields, b"{"))
    assert (await import_obd(memory_bus, folder)).added == 2
    assert (await import_obd(memory_bus, folder)).duplicates == 2
    tables = await folded(memory_bus)
    assert (len(tables["dead_letters"]), len(tables["tip_scores"]), len(tables["feedback"])) == (2, 1, 1)


async def test_a_byte_order_mark_is_no_part_of_the_head_line(memory_bus: MemoryBus, tmp_path: Path) -> None:
    folder = small(tmp_path, f"\ufeff{HEAD}\n{ROW}\n", f"\ufeff{ITEMS}")
    assert (await import_obd(memory_bus, folder)).added == 2


async def test_a_row_becomes_a_decision_with_all_that_was_logged(
    memory_bus: MemoryBus, folded: Fold, tmp_path: Path
) -> None:
    affinities = [f"user-item_affinity_{number}" for number in range(4)]
    folder = small(tmp_path, f"{HEAD},{','.join(affinities)}\n{ROW},0.0,2.0,,0\n")
    await import_obd(memory_bus, folder)
    tables = await folded(memory_bus)
    [row] = tables["tip_scores"].values()
    moment = parse_time("2019-11-24T00:03:13.442536Z")
    assert row["decision_id"] == "obd-obd_random-7"
    assert row["user_id"] == "obd-" + hashlib.sha256(b"abcd").hexdigest()[:16]
    assert row["tip_id"] == "obd-item-1"
    assert row["feature_set"] == "obd-men.v1"
    assert row["propensity"] == 0.25
    assert row["occurred_at"] == row["reacted_at"] == moment
    assert row["features"] == '{"item_feature_0":0.25,"item_feature_1":"yy","position":3.0}'
    assert row["context"] == (
        '{"user-item_affinity_1":2.0,"user_feature_0":"a","user_feature_1":"b","user_feature_2":"c","user_feature_3":"d"}'
    )
    [lists] = tables["candidate_lists"].values()
    assert lists["tip_ids"] == ["obd-item-0", "obd-item-1"]
    [click] = tables["feedback"].values()
    assert (click["event_id"], click["decision_id"], click["occurred_at"]) == (
        "obd-obd_random-7-click",
        "obd-obd_random-7",
        moment,
    )


def test_packed_and_plain_files_and_single_files_give_the_same_bytes(
    tmp_path: Path, sample: dict[str, list[Message]]
) -> None:
    log = next(log for log in logs(BUILT_IN) if log.policy == "obd_bts")
    plain = tmp_path / "bts" / "men" / "men.csv"
    plain.parent.mkdir(parents=True)
    plain.write_bytes(gzip.decompress(log.path.read_bytes()))
    shutil.copy(BUILT_IN / "item_context_men.csv", tmp_path)
    [from_folder] = logs(tmp_path)
    [from_file] = logs(plain)
    assert list(read_obd(from_folder, now_us=NOW)) == list(read_obd(from_file, now_us=NOW)) == sample["obd_bts"]


def test_the_rows_of_the_sample_arrive_as_they_stand_in_the_file(sample: dict[str, list[Message]]) -> None:
    for log in logs(BUILT_IN):
        with gzip.open(log.path, "rt", newline="") as text:
            rows = list(csv.DictReader(text))
        decisions = [message for message in sample[log.policy] if message.subject.startswith("tips.scored.")]
        assert [message.headers["ce-id"] for message in decisions] == [f"obd-{log.policy}-{row['']}" for row in rows]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "is no file of the Open Bandit Dataset"),
        (f"{HEAD}\n{ROW.replace('2019-11-24 00', 'yesterday 00')}\n", "line 2: .*RFC 3339"),
        (f"{HEAD}\n{ROW.replace(',1,3,1,', ',99,3,1,')}\n", "line 2: item 99 is not"),
        (f"{HEAD}\n{ROW.replace('0.25', '0')}\n", "line 2: .*propensity"),
        (f"{HEAD}\n{ROW.replace(',1,3,1,', ',1,3,2,')}\n", "line 2: click is '2'"),
        (f"{HEAD}\n{ROW.replace(',1,3,1,', ',x,3,1,')}\n", "line 2: item_id is .x., a whole number"),
        (f"{HEAD}\n{ROW.replace('0.25', 'much')}\n", "line 2: propensity_score is .much., a number"),
        (f"{HEAD},user-item_affinity_0\n{ROW},much\n", "line 2: user-item_affinity_0 is .much., a number"),
        (f"{HEAD}\n7,2019\n", "line 2: "),
        (f"{HEAD}\n{ROW.replace('2019-11', '2101-11')}\n", "men.csv, line 2: time_out_of_range: 2101"),
        (f"{HEAD}\n{ROW.replace(',a,b,c,d', 4 * f',{100_000 * chr(97)}')}\n", "men.csv, line 2: too_large: "),
        (f"{HEAD}\n{ROW},e\n", "men.csv, line 2: has more fields than the head line"),
        *(
            (f"{HEAD}\n{ROW.replace('7,', f'{row},', 1)}\n", "line 2: the row number is .*, a whole number")
            for row in ("1_7", "-7", "+7", " 7", "07", "\u0667", "7.0")
        ),
        (f"{HEAD}\n{ROW.replace(',1,3,1,', ',0_1,3,1,')}\n", "line 2: item_id is '0_1', a whole number"),
    ],
)
async def test_a_file_that_makes_no_sense_is_refused_with_its_line(
    memory_bus: MemoryBus, tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(ImportFailed, match=said):
        await import_obd(memory_bus, small(tmp_path, text))
    assert (await memory_bus.info()).messages == 0


@pytest.mark.parametrize(
    ("items", "said"),
    [
        (ITEMS.replace("0,-0.5", "zero,-0.5"), "line 2: item_id is 'zero', a whole number"),
        (ITEMS.replace("1,0.25", "-1,0.25"), "line 3: item_id is '-1', a whole number"),
        (ITEMS.replace("1,0.25", "1,much"), "line 3: item_feature_0 is 'much', a number"),
        (ITEMS.replace("yy", "yy,zz"), "line 3: has more fields than the head line"),
    ],
)
async def test_an_item_context_that_makes_no_sense_is_refused_with_its_line(
    memory_bus: MemoryBus, tmp_path: Path, items: str, said: str
) -> None:
    with pytest.raises(ImportFailed, match=f"item_context_men.csv, {said}"):
        await import_obd(memory_bus, small(tmp_path, f"{HEAD}\n{ROW}\n", items))
    assert (await memory_bus.info()).messages == 0


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere", "no such file or folder"),
        (".", r"no men\.csv"),
        ("men.csv", "which policy"),
        ("pipe", "save it to a file"),
    ],
)
async def test_a_path_without_the_dataset_is_refused(
    memory_bus: MemoryBus, tmp_path: Path, path: str, said: str
) -> None:
    if path == "men.csv":
        (tmp_path / path).write_text(HEAD)
    if path == "pipe":
        os.mkfifo(tmp_path / path)
    with pytest.raises(ImportFailed, match=said):
        await import_obd(memory_bus, tmp_path / path)
