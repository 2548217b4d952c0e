"""Whatever producers throw at the stream: dead letters with reason and bytes, and all else counts."""

import json
import sqlite3
from typing import Any

import nats
import pytest

from contracts import reasons
from contracts.subjects import build
from tests.system.running import RunningSystem

PATTERN = "tips.feedback.{action}.{user_id}"
ODD_USERS = ["a b", "a.b", "*", ">", "🌱 Zoë", "x" * 300, "🌱" * 300, "~tilde", "a/b%2Fc", "' or 1=1 --", "line\nbreak"]

BAD: list[tuple[str, bytes, str]] = [
    ("tips.feedback.helpful.bad", b"not json", reasons.NOT_JSON),
    ("tips.feedback.helpful.bad", b"\xff\xfe\x00", reasons.NOT_JSON),
    ("tips.feedback.helpful.bad", b'{"decision_id": NaN}', reasons.NOT_JSON),
    ("tips.signal.steps.bad", b'{"values": {"steps": NaN}}', reasons.NOT_JSON),
    ("tips.feedback.helpful.bad", b'{"decision_id": 5}', reasons.INVALID_BODY),
    ("tips.signal.steps.bad", b'{"values": {"steps": "many"}}', reasons.INVALID_BODY),
    ("tips.signal.steps.bad", b'{"values": [1]}', reasons.INVALID_BODY),
    ("tips.feedback.liked.bad", b"{}", reasons.UNKNOWN_ACTION),
    ("tips.feedback.helpful.bad", b'{"action": "done"}', reasons.CONTRADICTS_SUBJECT),
    ("tips.feedback.helpful.bad", b'{"occurred_at": "1970-01-01T00:00:00Z"}', reasons.TIME_OUT_OF_RANGE),
    ("tips.feedback.helpful.bad", b'{"occurred_at": "2100-01-01T00:00:00Z"}', reasons.TIME_OUT_OF_RANGE),
    ("tips.feedback.helpful.bad", b'{"tip_id": "' + b"x" * 900_000 + b'"}', reasons.TOO_LARGE),
    ("tips.feedback.helpful.*", b"{}", reasons.BAD_SUBJECT),
    ("tips.feedback.helpful.>", b"{}", reasons.BAD_SUBJECT),
    ("tips.feedback.helpful.a.b", b"{}", reasons.BAD_SUBJECT),
    ("tips.nonsense", b"{}", reasons.BAD_SUBJECT),
    ("tips.admin.bandit.reset.bad", b"{}", reasons.UNSIGNED),
    ("tips.admin.policy.disabled.linucb", b"{}", reasons.UNSIGNED),
    ("tips.catalog.bad", b'{"title": "Buy now"}', reasons.UNKNOWN_TYPE),
]


def decide(system: RunningSystem, user: str, **more: Any) -> dict[str, Any]:
    answer = system.api.post("/v1/recommendations", json={"user_id": user, "context": {}, **more})
    assert answer.status_code == 200, answer.text
    decision: dict[str, Any] = answer.json()
    return decision


def stats(system: RunningSystem, user: str, seq: int) -> tuple[int, float]:
    from urllib.parse import quote

    answer = system.scorer.get(f"/stats/{quote(user, safe='')}", params={"min_seq": seq})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    return found["pulls"], found["cumulative_reward"]


async def test_every_bad_event_is_a_dead_letter_and_all_others_count(system: RunningSystem) -> None:
    await_seq = 0
    theirs = decide(system, "somebody-else")["decision_id"]
    for user in ODD_USERS:
        decide(system, user)
    client = await nats.connect(system.nats_url)
    stream = client.jetstream()
    sequences: dict[int, tuple[bytes, str]] = {}
    for subject, body, reason in BAD:
        sequences[(await stream.publish(subject, body)).seq] = (body, reason)
    stolen = json.dumps({"decision_id": theirs}).encode()
    sequences[(await stream.publish("tips.feedback.helpful.thief", stolen)).seq] = (stolen, reasons.OTHER_PERSON)
    for user in ODD_USERS:
        await_seq = (await stream.publish(build(PATTERN, {"action": "helpful", "user_id": user}), b"{}")).seq
    await client.close()

    for user in ODD_USERS:
        assert stats(system, user, await_seq) == (1, 0.5), user
    assert stats(system, "thief", await_seq)[0] == 0
    system.wait_folded()
    path = next((system.home / "read_models").glob("sqlite-v*.sqlite"))
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        dead = {
            seq: (data, reason)
            for seq, reason, data in connection.execute("select seq, reason, data from dead_letters")
        }
        counted = connection.execute("select count(*) from feedback where user_id = 'bad'").fetchone()[0]
    assert {seq: dead.get(seq) for seq in sequences} == sequences
    assert counted == 0
    assert decide(system, "after")["policy"] == "linucb", "an unsigned admin event disables nothing"


async def test_feedback_may_come_before_its_decision_and_twice(system: RunningSystem) -> None:
    client = await nats.connect(system.nats_url)
    stream = client.jetstream()
    body = b'{"decision_id": "early-1"}'
    await stream.publish("tips.feedback.helpful.early", body, headers={"ce-id": "one"})
    await stream.publish("tips.feedback.helpful.early", body, headers={"ce-id": "one"})
    seq = (await stream.publish("tips.feedback.done.early", body)).seq
    assert stats(system, "early", seq) == (0, 0.0)
    decide(system, "early", decision_id="early-1")
    again = decide(system, "early", decision_id="early-1")
    assert again["decision_id"] == "early-1"
    seq = (await stream.publish("tips.feedback.done.early", body)).seq
    await client.close()
    assert stats(system, "early", seq) == (1, 1.5)


@pytest.mark.timeout(300)
def test_all_of_it_is_proven(system: RunningSystem) -> None:
    report = system.verify()
    assert report["proven"], report
