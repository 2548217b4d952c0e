"""Commands that depend on what stands: each knows of the one before, or says that it cannot."""

import asyncio
from typing import Any

import httpx
import numpy as np
import pytest

from contracts.events.admin import ModelPromoted
from contracts.feature_sets import CURRENT, DIMENSIONS
from projections.projector import Projector
from services.api.admin import commands
from services.bus.jetstream import JetStreamBus
from tests.api.callers import Door

FORCED = {"force": True, "reason": "tried in a test"}


@pytest.fixture
def admin(door: Door, folding: Projector) -> httpx.AsyncClient:
    """An admin of the API beside a projector."""
    return door.admin


async def twice(admin: httpx.AsyncClient, path: str, **body: Any) -> list[httpx.Response]:
    """The answers to two calls at one moment."""
    return list(await asyncio.gather(*(admin.post(path, json=body) for _ in range(2))))


async def promoted(door: Door, folding: Projector, *versions: str) -> None:
    """Have these promoted one after another, all with the neutral prior."""
    a0, b0 = np.eye(DIMENSIONS[CURRENT]).tolist(), [0.0] * DIMENSIONS[CURRENT]
    for version in versions:
        event = ModelPromoted(model_version=version, feature_set=CURRENT, a0=a0, b0=b0)
        _, ack = await door.app.state.parts.link.publisher.publish_signed(event, actor="ann")
    await folding.wait_for(ack.seq)


async def test_two_roll_backs_at_one_moment_go_back_twice(
    admin: httpx.AsyncClient, door: Door, folding: Projector
) -> None:
    await promoted(door, folding, "tour/1", "tour/2")
    answers = await twice(admin, "/api/admin/models/rollback")
    assert sorted(answer.json()["model_version"] for answer in answers) == ["neutral", "tour/1"]


async def test_who_promotes_the_version_before_again_does_not_roll_back(
    admin: httpx.AsyncClient, door: Door, folding: Projector
) -> None:
    await promoted(door, folding, "tour/1", "tour/2", "tour/1")
    said = [(await admin.post("/api/admin/models/rollback", json={})).json()["model_version"] for _ in range(3)]
    assert said == ["tour/2", "tour/1", "neutral"]


async def test_only_the_last_roll_back_says_that_no_model_is_left(
    admin: httpx.AsyncClient, door: Door, folding: Projector
) -> None:
    await promoted(door, folding, "tour/1", "tour/2")
    for _ in range(2):
        assert (await admin.post("/api/admin/models/rollback", json={})).status_code == 202
    await folding.wait_for((await door.app.state.parts.link.bus.info()).last_seq)
    models = folding.state.policies.models
    assert [(model.model_version, model.counts) for model in models[-2:]] == [("tour/1", True), ("neutral", False)]


async def test_of_two_who_stop_an_experiment_one_is_told_that_it_is_stopped(admin: httpx.AsyncClient) -> None:
    await admin.post("/api/admin/policies", json={"policy": "greedy", "action": "shadow"})
    arms = [{"policy": policy, "weight": 1.0} for policy in ("linucb", "greedy")]
    order = {"experiment_id": "one", "name": "One", "arms": arms, **FORCED}
    assert (await admin.post("/api/admin/experiments", json=order)).status_code == 202
    answers = await twice(admin, "/api/admin/experiments/one/stop")
    assert sorted(answer.status_code for answer in answers) == [202, 409]


async def test_a_policy_is_taken_back_at_once_and_nothing_is_shared_out_unseen(
    admin: httpx.AsyncClient, bus: JetStreamBus, folding: Projector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "FOLDED_S", 0.2)
    await folding.stop()
    taken = await admin.post("/api/admin/policies", json={"policy": "linucb", "action": "disable"})
    assert taken.status_code == 202
    before = (await bus.info()).last_seq
    refused = await admin.post(
        "/api/admin/policies", json={"policy": "greedy", "action": "rollout", "share": 0.5, **FORCED}
    )
    assert refused.status_code == 503
    assert f"has not folded the command before, event {taken.json()['seq']}" in refused.json()["detail"]
    assert (await bus.info()).last_seq == before
