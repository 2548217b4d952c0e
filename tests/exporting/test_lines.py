"""A line is what the import makes the same event of, whatever stands in it."""

import tempfile
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import headers
from contracts.codec import UNSIGNED, as_recorded
from contracts.envelope import Entry, Message, Recorded
from contracts.subjects import encode_id
from projections.folds.tables import BY_NAME
from services.exporting.lines import UNNAMED, event_line
from services.importing.event_lines import Refusal, read_events
from tests.folds.log import DECODER, Log, Tables, fold_all
from tests.folds.stories import ANYTHING, stories

NOW_US = 1_800_000_000_000_000


def entry_of(subject: str, data: bytes, **fields: str) -> Entry:
    """The event that a message is."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    entry = DECODER.decode(Recorded(7, NOW_US * 1000 + 1, subject, named, data))
    assert isinstance(entry, Entry), entry
    return entry


def imported(*entries: Entry) -> list[Message | Refusal]:
    """What an import makes of their lines."""
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as file:
        Path(file.name).write_bytes(b"".join(event_line(entry) for entry in entries))
        return list(read_events(Path(file.name), now_us=NOW_US))


def back(entry: Entry) -> Entry:
    """The event after an export and an import."""
    [message] = imported(entry)
    assert isinstance(message, Message), message
    found = UNSIGNED.decode(as_recorded(message, 1, NOW_US * 1000))
    assert isinstance(found, Entry), found
    return found


def told(tables: Tables) -> Tables:
    """The rows without the headers that a dead letter came with, which are written out where they were left out."""
    at = BY_NAME["dead_letters"].names.index("headers")
    dead = {key: (*row[:at], *row[at + 1 :]) for key, row in tables["dead_letters"].items()}
    return tables | {"dead_letters": dead}


ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
).filter(lambda value: orjson_takes(value))
spaces = st.text(" \t\r\n", max_size=3)
odd_headers = st.fixed_dictionaries(
    {},
    optional={
        "ce-id": st.text(max_size=12),
        "ce-source": st.text(max_size=12),
        "ce-time": st.just("2026-11-26T10:00:00.123456789+02:00"),
        "Nats-Msg-Id": st.text(max_size=12),
        "traceparent": st.just(f"00-{'a' * 32}-{'b' * 16}-01") | st.text(max_size=12),
    },
)


def orjson_takes(value: Any) -> bool:
    try:
        return bool(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS))
    except TypeError:
        return False


@given(ids, ids, json_values, odd_headers, spaces, st.booleans())
@settings(max_examples=100, deadline=None)
def test_an_event_comes_back_as_it_was(
    user: str, decision_id: str, context: object, fields: dict[str, str], space: str, pretty: bool
) -> None:
    decision = {
        "decision_id": decision_id, "policy": "theirs", "feature_set": "obd-men.v1", "context": {"seen": context},
        "candidates": ["a", decision_id + "a"], "tip_id": "a", "propensity": 0.1, "external": True,
        "occurred_at": "2026-11-26T08:00:00Z",
    }  # fmt: skip
    data = space.encode() + orjson.dumps(decision, option=orjson.OPT_INDENT_2 if pretty else 0) + space.encode()
    raw = Recorded(7, NOW_US * 1000 + 1, f"tips.scored.{encode_id(user)}", fields, data)
    entry = DECODER.decode(raw)
    assert isinstance(entry, Entry), entry
    line = event_line(entry)
    assert line.count(b"\n") == 1
    found = back(entry)
    assert (found.event_id, found.event, found.raw.subject) == (entry.event_id, entry.event, raw.subject)
    assert found.occurred_us == entry.occurred_us
    assert orjson.loads(line)["data"] == orjson.loads(found.raw.data) == orjson.loads(data)


@given(stories(ANYTHING, max_size=25))
@settings(max_examples=25, deadline=None)
def test_no_row_changes_when_every_unsigned_event_has_been_out_and_in(log: Log) -> None:
    entries = [DECODER.decode(recorded) for recorded in log.records]
    unsigned = [entry for entry in entries if isinstance(entry, Entry) and not entry.event.SIGNED]
    records = {recorded.seq: recorded for recorded in log.records}
    for entry, message in zip(unsigned, imported(*unsigned), strict=True):
        assert isinstance(message, Message), message
        records[entry.seq] = as_recorded(message, entry.seq, entry.raw.recorded_ns)
    assert told(fold_all(records.values())[1]) == told(log.tables)


@pytest.mark.parametrize(
    "number", ["123456789012345678901234567890", "0.1000000000000000055511151231257827", "1E+2", "-0.0"]
)
def test_a_number_stands_there_digit_by_digit(number: str) -> None:
    entry = entry_of("tips.signal.phone.ann", b'{"values":\r\n{"steps": ' + number.encode() + b"}}")
    assert event_line(entry).endswith(b'"data":{"values":  {"steps": ' + number.encode() + b"}}}\n")
    assert back(entry).event == entry.event


def test_what_a_producer_left_out_is_what_the_folds_make_of_it() -> None:
    entry = entry_of("tips.feedback.helpful.ann", b"{}")
    assert orjson.loads(event_line(entry)) == {
        "specversion": "1.0",
        "id": entry.event_id,
        "source": UNNAMED,
        "type": "tipstream.feedback.received.v1",
        "subject": "tips.feedback.helpful.ann",
        "time": "2027-01-15T08:00:00.000000Z",
        "data": {},
    }
    assert back(entry).event == entry.event


def test_the_headers_of_an_event_are_its_attributes() -> None:
    fields = {
        headers.CE_ID: "a%20b", headers.CE_SOURCE: "/phone%2F1", headers.CE_TYPE: "tipstream.feedback.received.v1",
        headers.CE_TIME: "2026-11-26T10:00:00+02:00", headers.TRACEPARENT: f"00-{'a' * 32}-{'b' * 16}-01",
    }  # fmt: skip
    entry = entry_of("tips.feedback.helpful.ann", b"{}", **fields)
    line = orjson.loads(event_line(entry))
    assert (line["id"], line["source"], line["time"]) == ("a b", "/phone/1", "2026-11-26T08:00:00.000000Z")
    [message] = imported(entry)
    assert isinstance(message, Message)
    assert message.headers[headers.TRACEPARENT] == fields[headers.TRACEPARENT]
    assert message.headers[headers.CE_ID] == "a%20b"
