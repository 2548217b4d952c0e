"""A person erased from a running system whose worker is killed on the way: proven, un-learned, and on no disk."""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.running import RunningSystem

ANN, BOB = "ann-who-wants-to-go", "bob-who-stays"
LIMIT_S = 400.0


@pytest.fixture
def system(tmp_path: Path) -> Iterator[RunningSystem]:
    """A system of its own, since every file of its HOME is searched."""
    running = RunningSystem(tmp_path / "home")
    running.start()
    yield running
    running.close()


def live(system: RunningSystem, user: str, *, times: int) -> None:
    """Signals, decisions and reactions of a person, a reset, a dead letter and a replay."""
    body = {"user_id": user, "source": "steps", "values": {"steps": 4200}}
    assert system.api.post("/v1/signals", json=body).status_code == 202
    for number in range(times):
        answer = system.api.post("/v1/recommendations", json={"user_id": user, "context": {"meetings_left": number}})
        assert answer.status_code == 200, answer.text
        body = {"user_id": user, "action": "helpful", "decision_id": answer.json()["decision_id"]}
        assert system.api.post("/v1/feedback", json=body).status_code in (202, 503)


def decide_while_the_stream_is_away(system: RunningSystem) -> None:
    """A decision of each person that takes the way over the outbox."""
    server = system.pid("nats-server")
    assert server is not None
    os.kill(server, signal.SIGSTOP)
    try:
        for user in (ANN, BOB):
            answer = system.api.post("/v1/recommendations", json={"user_id": user})
            assert answer.status_code == 200, answer.text
            assert answer.json()["logged"] is False
    finally:
        os.kill(server, signal.SIGCONT)


def named_in(home: Path, user: str) -> list[str]:
    files = (path for path in home.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(str(path.relative_to(home)) for path in files if user.encode() in path.read_bytes())


def events_of(system: RunningSystem, user: str) -> int:
    answer = system.admin.post(f"/api/admin/users/{user}/erase", json={"dry_run": True})
    assert answer.status_code == 200, answer.text
    total: int = answer.json()["total"]
    return total


@pytest.mark.timeout(900)
def test_a_person_is_erased_and_un_learned_although_the_worker_is_killed(system: RunningSystem) -> None:
    for user in (ANN, BOB):
        live(system, user, times=12)
    system.run("publish", f"tips.feedback.done.{ANN}", '{"decision_id": "never made"}')
    assert system.admin.post(f"/api/admin/users/{ANN}/reset").status_code == 202
    decide_while_the_stream_is_away(system)
    system.wait_healthy()
    live(system, ANN, times=2)
    system.run("replay", "--user", ANN)
    system.run("replay", "--projection", "sqlite")
    system.wait_folded()
    assert system.verify()["proven"]
    bob = system.scorer.get(f"/stats/{BOB}").json()
    assert system.scorer.get(f"/stats/{ANN}").json()["pulls"] == 2
    assert {name.split("/")[0] for name in named_in(system.home, ANN)} >= {"nats", "outbox", "read_models"}

    answer = system.admin.post(f"/api/admin/users/{ANN}/erase", json={"confirm": ANN, "reason": f"{ANN} asked"})
    assert answer.status_code == 202, answer.text
    deadline = time.monotonic() + LIMIT_S
    system.kill("replayer")
    while events_of(system, ANN) > 1:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    system.kill("replayer")
    while events_of(system, ANN):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    system.wait_folded()
    report = system.verify()
    assert report["proven"], json.dumps(report, indent=1)
    assert report["continuity"]["explained"]
    assert report["scores"]["identical"] == 13, "those of the one who stays"
    assert system.scorer.get(f"/stats/{ANN}").json()["pulls"] == 0
    after = system.scorer.get(f"/stats/{BOB}").json()
    assert (after["digest"], after["theta"]) == (bob["digest"], bob["theta"])
    assert system.admin.get(f"/api/admin/users/{ANN}").status_code == 404
    assert named_in(system.home, ANN) == []
    system.stop()
    assert named_in(system.home, ANN) == [], "also what is written at the end"

    system.start()
    live(system, ANN, times=1)
    system.wait_folded()
    assert system.scorer.get(f"/stats/{ANN}").json()["pulls"] == 1, "whoever comes back starts afresh"
    assert system.verify()["proven"]
    dry = system.run("erase", ANN, "--dry-run")
    assert "would erase 3 events" in dry
    assert "would erase 3 events" in system.run("erase", ANN, status=1), "without --yes, and no terminal to ask on"
    assert "erased 4 events" in system.run("erase", ANN, "--yes")
    assert events_of(system, ANN) == 0
