"""One file an event version, kept for ever: each must still decode, say the same again, and fold."""

import json
from pathlib import Path

import pytest

from contracts import golden
from contracts.codec import Decoder, trust_of
from contracts.envelope import Entry, Recorded
from contracts.events.registry import EVENTS
from contracts.times import parse_time
from projections.folds.projection import State, fold

FILES = sorted(Path(golden.__path__[0]).glob("*.json"), key=lambda path: int(json.loads(path.read_text())["order"]))


def recorded(path: Path, seq: int) -> Recorded:
    kept = json.loads(path.read_text())
    return Recorded(seq, parse_time(kept["recorded"]) * 1000, kept["subject"], kept["headers"], kept["body"].encode())


RECORDS = [recorded(path, seq) for seq, path in enumerate(FILES, 1)]
DECODER = Decoder("golden", trust_of(RECORDS[0]))


def test_every_event_has_a_golden_file_of_its_latest_version() -> None:
    assert {f"{event.ce_type()}.json" for event in EVENTS} <= {path.name for path in FILES}


@pytest.mark.parametrize("message", RECORDS, ids=lambda message: message.headers["ce-type"])
def test_a_golden_event_decodes_and_says_the_same_again(message: Recorded) -> None:
    entry = DECODER.decode(message)
    assert isinstance(entry, Entry), entry
    if entry.event.ce_type() == message.headers["ce-type"]:
        assert entry.event.to_json() == message.data
        assert entry.event.subject() == message.subject
    assert entry.event_id == message.headers["ce-id"]


def test_the_golden_events_fold_without_a_dead_letter() -> None:
    state, tables = State(), set()
    for message in RECORDS:
        step, changes = fold(state, DECODER.decode(message))
        assert not step.dead, step.dead
        assert changes, f"{message.subject} changes nothing"
        tables |= {change.table.name for change in changes}
    person = state.learning.people["ann é"]
    assert person.version == 2, "one pull and one reset"
    assert {"tip_scores", "feedback", "signals", "shadow_scores", "policies", "replays", "admin_actions"} <= tables
