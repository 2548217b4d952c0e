"""A policy whose calls fail is taken back by itself, and people go on getting tips."""

import asyncio
import re
import time
from pathlib import Path

from contracts.events.admin import PolicyEnabled
from services.bootstrap import load_signer
from services.bus.jetstream import JetStreamBus
from services.publishing import EventPublisher
from services.settings import Settings
from tests.system.running import RunningSystem

LIMIT_S = 60.0
PEOPLE = [f"failing-{number}" for number in range(20)]


async def break_greedy(nats_url: str, home: Path) -> None:
    """Put greedy beside linucb with a parameter that no scorer takes: admin routes refuse it, a stream cannot."""
    bus = await JetStreamBus.connect(nats_url, name="test")
    publisher = EventPublisher(bus, load_signer(Settings(home=home)), source="/test")
    await publisher.publish_signed(PolicyEnabled(policy="greedy", weight=1.0, params={"epsilon": 5.0}), actor="ada")
    await bus.close()


def ask_for_all(system: RunningSystem) -> list[int]:
    """The statuses of a recommendation for each person."""
    return [system.api.post("/v1/recommendations", json={"user_id": person}).status_code for person in PEOPLE]


def test_a_policy_whose_calls_fail_is_taken_back(system: RunningSystem) -> None:
    asyncio.run(break_greedy(system.nats_url, system.home))
    system.wait_folded()
    answers, deadline = ask_for_all(system), time.monotonic() + LIMIT_S
    assert set(answers) == {200, 503}, "linucb decides for the others"
    while system.admin.get("/api/admin/policies").json()[0]["standing"] != "disabled":
        assert time.monotonic() < deadline
        ask_for_all(system)
    system.wait_folded()
    action = system.admin.get("/api/admin/actions").json()[0]
    assert action["actor"] == "system"
    said = r"guardrail, beside linucb: errors: \d+ of \d+ calls failed, 5\.0% are put up with"
    assert re.match(said, action["reason"]), action["reason"]
    assert ask_for_all(system) == [200] * len(PEOPLE)
