"""kill -9 of every process in turn while producers publish: what was acked counts exactly once, and it is proven.

TIPSTREAM_TEST_ROUNDS (default 1) says how often each process is killed.
"""

import json
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.system.running import RunningSystem

PAGE = 5_000
ROUNDS = int(os.environ.get("TIPSTREAM_TEST_ROUNDS", "1"))
VICTIMS = ("nats-server", "scorer", "projector", "api", "analytics", "query")
ACTIONS = ("helpful", "done", "not_helpful", "snoozed", "dismissed")


@pytest.fixture
def system(tmp_path: Path) -> Iterator[RunningSystem]:
    running = RunningSystem(tmp_path / "home")
    running.start()
    yield running
    running.close()


class Producer(threading.Thread):
    """Asks for tips and reacts to them over HTTP, repeating each call under its own id until it is answered."""

    def __init__(self, system: RunningSystem, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.system = system
        self.stop = threading.Event()
        self.decisions: list[str] = []
        self.feedback: dict[str, str] = {}

    def run(self) -> None:
        number = 0
        headers = dict(self.system.api.headers)
        with httpx.Client(base_url=self.system.api.base_url, headers=headers, timeout=5.0) as client:
            while not self.stop.is_set():
                number += 1
                user, decision = f"{self.name}-{number % 5}", f"{self.name}-d{number}"
                asked = {"user_id": user, "context": {}, "decision_id": decision}
                if not self._until_answered(client, "/v1/recommendations", asked, 200):
                    return
                self.decisions.append(decision)
                event = f"{self.name}-f{number}"
                said = {"user_id": user, "action": ACTIONS[number % 5], "event_id": event, "decision_id": decision}
                if not self._until_answered(client, "/v1/feedback", said, 202):
                    return
                self.feedback[event] = decision

    def _until_answered(self, client: httpx.Client, path: str, body: dict[str, Any], status: int) -> bool:
        while True:
            with suppress(httpx.HTTPError):
                answer = client.post(path, json=body)
                if answer.status_code == status:
                    return True
                assert answer.status_code in (502, 503), answer.text
            if self.stop.wait(0.05):
                return False


@pytest.mark.timeout(120 + 300 * ROUNDS)
def test_kill_nine_loses_nothing_and_counts_nothing_twice(system: RunningSystem) -> None:
    producers = [Producer(system, f"p{index}") for index in range(3)]
    for producer in producers:
        producer.start()
    for _ in range(ROUNDS):
        for victim in VICTIMS:
            done = sum(len(producer.feedback) for producer in producers)
            wait_for(partial(answered_more_than, producers, done + 5))
            system.kill(victim)
            system.wait_healthy(300)
    for producer in producers:
        producer.stop.set()
        producer.join(30)
    system.wait_folded()
    acked = {event: decision for producer in producers for event, decision in producer.feedback.items()}
    decided = [decision for producer in producers for decision in producer.decisions]
    assert len(acked) > 5 * len(VICTIMS)

    for rows in (sqlite_rows(system), quack_rows(system)):
        events = [event for event, _ in rows["feedback"]]
        assert len(events) == len(set(events)), "counted twice"
        assert set(acked) <= set(events), "acked and missing"
        decisions = [decision for (decision,) in rows["tip_scores"]]
        assert len(decisions) == len(set(decisions)), "decided twice"
        assert set(decided) <= set(decisions), "answered and not logged"
    joined = {decision for _, decision in sqlite_rows(system)["feedback"]}
    users = {f"p{index}-{number}" for index in range(3) for number in range(5)}
    pulls = sum(system.scorer.get(f"/stats/{user}").json()["pulls"] for user in users)
    assert pulls == len(joined)

    report = system.verify()
    assert report["proven"], json.dumps(report, indent=1)
    assert report["scores"]["mismatched"] == 0
    assert report["scores"]["identical"] == len(sqlite_rows(system)["tip_scores"])


def answered_more_than(producers: list[Producer], count: int) -> bool:
    return sum(len(producer.feedback) for producer in producers) > count


def wait_for(condition: Callable[[], bool]) -> None:
    pause, waited = threading.Event(), 0.0
    while not condition():
        pause.wait(0.02)
        waited += 0.02
        assert waited < 90, "no progress for 90 s"


def sqlite_rows(system: RunningSystem) -> dict[str, list[tuple[str, ...]]]:
    path = next((system.home / "read_models").glob("sqlite-v*.sqlite"))
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return {
            "feedback": connection.execute("select event_id, decision_id from feedback").fetchall(),
            "tip_scores": connection.execute("select decision_id from tip_scores").fetchall(),
        }


def quack_rows(system: RunningSystem) -> dict[str, list[tuple[str, ...]]]:
    return {
        "feedback": all_of(system, "select event_id, decision_id from feedback order by all"),
        "tip_scores": all_of(system, "select decision_id from tip_scores order by all"),
    }


def all_of(system: RunningSystem, statement: str) -> list[tuple[str, ...]]:
    """Every row of an ordered statement, in as many answers as its row limit makes of it."""
    found: list[tuple[str, ...]] = []
    while page := system.sql(f"{statement} limit {PAGE} offset {len(found)}"):
        found += map(tuple, page)
    return found
