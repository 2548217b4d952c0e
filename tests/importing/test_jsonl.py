"""JSON lines: good lines come in once, each bad one is named with its number and reason."""

import gzip
import hashlib
import os
import re
from pathlib import Path

import nats
import orjson
import pytest

from contracts.envelope import Message
from contracts.times import parse_time
from services.bus.jetstream import JetStreamBus
from services.bus.memory import MemoryBus
from services.importing.arrival import Arrivals
from services.importing.errors import ImportFailed
from services.importing.event_lines import read_events, survey
from services.importing.jsonl import import_jsonl
from services.importing.report import carry
from services.importing.survey import mark
from services.publishing import now_us
from tests.importing.conftest import Fold
from tests.servers import NatsServer
from tests.waiting import ManualClock

FEEDBACK = {"type": "tipstream.feedback.received.v1", "data": {"user_id": "ana b", "action": "helpful"}}
SIGNAL = {"subject": "tips.signal.steps.ana", "data": {"values": {"steps": 900}}}


def lines(path: Path, *items: object) -> Path:
    path.write_bytes(b"\n".join(item if isinstance(item, bytes) else orjson.dumps(item) for item in items))
    return path


async def test_events_named_by_type_or_by_subject_come_in(memory_bus: MemoryBus, folded: Fold, tmp_path: Path) -> None:
    full = {
        "specversion": "1.0", "id": "f-1", "source": "/phone", "time": "2025-12-31T08:00:00Z",
        "datacontenttype": "application/json", **FEEDBACK,
    }  # fmt: skip
    path = lines(tmp_path / "events.jsonl", full, b"", SIGNAL)
    report = await import_jsonl(memory_bus, path)
    assert (report.feedback, report.other, report.added, report.refused) == (1, 1, 2, 0)
    tables = await folded(memory_bus)
    [feedback] = tables["feedback"].values()
    assert (feedback["event_id"], feedback["user_id"]) == ("f-1", "ana b")
    assert feedback["occurred_at"] == parse_time("2025-12-31T08:00:00Z")
    [signal] = tables["signals"].values()
    assert signal["event_id"] == hashlib.sha256(orjson.dumps(SIGNAL)).hexdigest()
    first = await memory_bus.get(1)
    assert first is not None
    assert first.headers["ce-source"] == "/phone"


async def test_a_byte_order_mark_is_no_part_of_the_first_line(memory_bus: MemoryBus, tmp_path: Path) -> None:
    path = lines(tmp_path / "events.jsonl", SIGNAL, FEEDBACK)
    assert (await import_jsonl(memory_bus, path)).added == 2
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    report = await import_jsonl(memory_bus, path)
    assert (report.added, report.duplicates, report.refused) == (0, 2, 0)
    path.write_bytes(b"\xef\xbb\xbf\n" + orjson.dumps(SIGNAL | {"id": "new"}))
    assert (await import_jsonl(memory_bus, path)).added == 1


async def test_importing_again_adds_nothing_however_late(
    memory_bus: MemoryBus, clock: ManualClock, tmp_path: Path
) -> None:
    path = tmp_path / "events.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n".join([orjson.dumps(FEEDBACK), orjson.dumps(SIGNAL), orjson.dumps(SIGNAL)])))
    first = await import_jsonl(memory_bus, path)
    assert (first.added, first.duplicates) == (2, 1)
    clock.advance(60 * 86400)
    again = await import_jsonl(memory_bus, path)
    assert (again.added, again.duplicates) == (0, 3)


async def test_two_events_of_one_id_on_different_subjects_both_arrive(
    memory_bus: MemoryBus, clock: ManualClock, folded: Fold, tmp_path: Path
) -> None:
    await memory_bus.publish(Message("tips.feedback.helpful.jl0", {"ce-id": "1", "Nats-Msg-Id": "1"}, b"{}"))
    first = lines(tmp_path / "1.jsonl", {"subject": "tips.feedback.helpful.jl1", "id": "1", "source": "/a", "data": {}})
    other = {"subject": "tips.feedback.dismissed.jl2", "id": "1", "source": "/b", "data": {}}
    second = lines(tmp_path / "2.jsonl", other, other)
    assert (await import_jsonl(memory_bus, first)).added == 1
    report = await import_jsonl(memory_bus, second)
    assert (report.added, report.duplicates) == (1, 1)
    tables = await folded(memory_bus)
    people = [row["user_id"] for row in tables["feedback"].values() if row["event_id"] == "1"]
    assert sorted(people) == ["jl0", "jl1", "jl2"]
    clock.advance(86400)
    assert [(await import_jsonl(memory_bus, path)).added for path in (first, second)] == [0, 0]


@pytest.mark.parametrize(
    ("fields", "data", "event_id"),
    [
        ({"ce-id": "1", "Nats-Msg-Id": "1"}, b"{}", "1"),
        ({"ce-id": "a%20b", "Nats-Msg-Id": "own"}, b"{}", "a b"),
        ({"Nats-Msg-Id": "own"}, b'{"event_id": "said"}', "said"),
        ({"Nats-Msg-Id": "o%C3%A9"}, b"{}", "o\u00e9"),
    ],
)
async def test_an_event_that_came_another_way_is_known_by_its_id(
    memory_bus: MemoryBus, tmp_path: Path, fields: dict[str, str], data: bytes, event_id: str
) -> None:
    subject = "tips.feedback.helpful.ana"
    await memory_bus.publish(Message(subject, fields, data))
    report = await import_jsonl(
        memory_bus, lines(tmp_path / "events.jsonl", {"subject": subject, "id": event_id, "data": orjson.loads(data)})
    )
    assert (report.added, report.duplicates) == (0, 1)


async def test_an_event_without_any_id_is_known_by_its_place(
    bus: JetStreamBus, nats_server: NatsServer, folded: Fold, tmp_path: Path
) -> None:
    client = await nats.connect(nats_server.url)
    await client.jetstream().publish("tips.feedback.helpful.ana", b"{}")
    await client.close()
    [row] = (await folded(bus))["feedback"].values()
    path = lines(tmp_path / "events.jsonl", {"subject": "tips.feedback.helpful.ana", "id": row["event_id"], "data": {}})
    report = await import_jsonl(bus, path)
    assert (report.added, report.duplicates) == (0, 1)


async def test_an_event_that_comes_in_meanwhile_is_added_once_in_the_counts_too(
    bus: JetStreamBus, tmp_path: Path
) -> None:
    path = lines(tmp_path / "events.jsonl", FEEDBACK, SIGNAL)
    found = survey(path)
    both = [await Arrivals.on(bus, [found]) for _ in range(2)]
    reports = [await carry(arrivals, read_events(path, now_us=now_us()), found.messages, None) for arrivals in both]
    assert [(one.added, one.duplicates, one.meanwhile) for one in reports] == [(2, 0, 0), (0, 2, 2)]
    assert "0 added, 2 there already (2 of them came in meanwhile: from another import, or sent twice" in (
        reports[1].summary()
    )
    assert "meanwhile" not in reports[0].summary()
    assert (await bus.info()).messages == 2


@pytest.mark.parametrize("message_id", ["dl1", mark("tips.feedback.helpful.edge", "dl1").hex()])
async def test_what_stands_only_as_a_dead_letter_comes_in(
    bus: JetStreamBus, folded: Fold, tmp_path: Path, message_id: str
) -> None:
    subject = "tips.feedback.helpful.edge"
    await bus.publish(Message(subject, {"ce-id": "dl1", "Nats-Msg-Id": message_id}, b"not json"))
    path = lines(tmp_path / "events.jsonl", {"subject": subject, "id": "dl1", "data": {}})
    report = await import_jsonl(bus, path)
    assert (report.added, report.duplicates) == (1, 0)
    assert [row["user_id"] for row in (await folded(bus))["feedback"].values()] == ["edge"]
    again = await import_jsonl(bus, path)
    assert (again.added, again.duplicates) == (0, 1)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"{nonsense", "not JSON"),
        ([1], "data is an object"),
        ({"subject": "tips.feedback.helpful.ana"}, "data is an object"),
        ({"data": {}}, "needs a subject"),
        ({"subject": "elsewhere.ana", "data": {}}, "bad_subject"),
        ({"subject": "tips.feedback.helpful.a b", "data": {}}, "subject: "),
        ({"subject": "tips.feedback.adored.ana", "data": {}}, "unknown_action"),
        *(
            ({"type": kind, "data": FEEDBACK["data"]}, f"type: '{kind}' is no type .* tipstream.feedback.received.v1")
            for kind in ("tipstream.nothing.v1", "tipstream.feedback.received")
        ),
        ({"type": "tipstream.feedback.received.v9", "data": FEEDBACK["data"]}, "unknown_type"),
        ({"type": "tipstream.feedback.received.v1", "data": {"action": "helpful"}}, r"data\.user_id"),
        ({"subject": SIGNAL["subject"], "data": {"values": {"steps": "many"}}}, r"invalid_body: values\.steps"),
        (SIGNAL | {"time": "2100-01-01T00:00:00Z"}, "time_out_of_range"),
        *((SIGNAL | {"time": time}, "time: must be an RFC 3339 timestamp such as 2026") for time in ("", 5)),
        (SIGNAL | {"source": ""}, "source: must be text, and not empty"),
        (SIGNAL | {"specversion": "0.3"}, "specversion"),
        (SIGNAL | {"extra": "1"}, "extra: unknown"),
        (SIGNAL | {"id": 7}, "id: must be text"),
        (
            {"type": "tipstream.bandit.reset.v1", "data": {"user_id": "ana"}},
            "must be signed by this installation",
        ),
        ({"subject": "tips.catalog.walk", "data": {}}, "must be signed by this installation"),
        ({"subject": "tips.catalog.walk", "actor": "ada", "data": {}}, "must be signed by this installation"),
        (SIGNAL | {"actor": "ada"}, "actor: only a signed event has one"),
    ],
)
async def test_a_bad_line_is_named_and_the_others_come_in(
    memory_bus: MemoryBus, tmp_path: Path, line: object, said: str
) -> None:
    path = lines(tmp_path / "events.jsonl", FEEDBACK, b" ", line, SIGNAL)
    report = await import_jsonl(memory_bus, path)
    assert report.added == 2
    assert report.refused == 1
    [refusal] = report.refusals
    assert refusal.line == 3
    assert re.search(said, refusal.reason)
    assert f"line 3: {refusal.reason}" in report.summary()


@pytest.mark.parametrize("content", [None, b"\x1f\x8bbroken"])
async def test_a_file_that_cannot_be_read_is_refused(
    memory_bus: MemoryBus, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "events.jsonl.gz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ImportFailed, match=r"events\.jsonl\.gz"):
        await import_jsonl(memory_bus, path)


async def test_a_folder_is_refused(memory_bus: MemoryBus, tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match="Is a directory"):
        await import_jsonl(memory_bus, tmp_path)


async def test_a_pipe_is_refused_since_it_is_read_twice(memory_bus: MemoryBus, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "events.jsonl")
    with pytest.raises(ImportFailed, match=r"events\.jsonl: is no regular file; save it to a file first"):
        await import_jsonl(memory_bus, tmp_path / "events.jsonl")
    reading, writing = os.pipe()
    try:
        os.write(writing, orjson.dumps(FEEDBACK))
        with pytest.raises(ImportFailed, match="save it to a file first"):
            await import_jsonl(memory_bus, Path(f"/dev/fd/{reading}"))
    finally:
        os.close(reading)
        os.close(writing)
