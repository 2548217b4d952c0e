"""An A/B experiment from its start to its results, over the real stream, scorer and read models."""

import asyncio
from typing import Any

import pytest

from contracts.events.admin import Arm, ExperimentStarted
from ml.experiments.always_valid import FEWEST
from ml.experiments.assignment import arm_of
from services.settings import Settings
from tests.api.callers import System, settings_for
from tests.servers import NatsServer

ARMS = [{"policy": "linucb", "weight": 1.0}, {"policy": "greedy", "weight": 1.0}]
ORDER: dict[str, Any] = {"experiment_id": "one", "name": "Greedy?", "arms": ARMS}


@pytest.fixture
def settings(nats_server: NatsServer) -> Settings:
    """A ladder without steps, but that arms stand on it."""
    return settings_for(nats_server.home, nats_server, shadow_decisions=0, shadow_days=0)


@pytest.fixture
async def shadowed(system: System) -> System:
    """A system where greedy may be an arm."""
    await system.post("/api/admin/policies", policy="greedy", action="shadow")
    await system.folded()
    return system


async def refused(system: System, path: str = "", **order: Any) -> tuple[int, str, str]:
    answer = await system.door.admin.post(f"/api/admin/experiments{path}", json=order)
    said = answer.json()
    return answer.status_code, said.get("field"), said["detail"]


async def test_an_experiment_decides_for_its_people_and_is_judged_by_them(shadowed: System) -> None:
    system = shadowed
    for person in ("p1", "p2", "p3"):
        await system.post("/v1/recommendations", user_id=person, decision_id=f"before-{person}")
    await system.folded()
    # Drawn anew each time, now and then a salt leaves an arm with too few people to be compared.
    order = {**ORDER, "holdback": 0.2, "salt": "a salt of tests"}
    plan = await system.post("/api/admin/experiments", **order, dry_run=True)
    assert [(arm["policy"], arm["share"]) for arm in plan["arms"]] == [("linucb", 0.4), ("greedy", 0.4), (None, 0.2)]
    assert sum(arm["people"] for arm in plan["arms"]) == plan["people"] == 3
    assert await system.get("/api/admin/experiments") == []

    await system.post("/api/admin/experiments", **order, reason="to know")
    (row,) = await system.get("/api/admin/experiments")
    assert (row["experiment_id"], row["salt"], row["arms"], row["stopped_at"]) == ("one", plan["salt"], ARMS, None)
    await system.folded()
    people = [f"p{number}" for number in range(3 * FEWEST)]
    asked = [system.post("/v1/recommendations", user_id=person, decision_id=f"d-{person}") for person in people]
    answers = dict(zip(people, await asyncio.gather(*asked), strict=True))
    arms = {person: arm_of(person, plan["salt"], (1, 1), 0.2) for person in people}
    assert all(answers[person]["policy"] == ("greedy" if arms[person] == 1 else "linucb") for person in people)

    liked = [person for person in people if arms[person] == 1]
    told = (system.post("/v1/feedback", user_id=who, action="done", decision_id=f"d-{who}") for who in liked)
    await asyncio.gather(*told)
    await system.folded()
    found = await system.get("/api/admin/experiments/one/results")
    base, other = found["arms"]
    counts = [sum(arm == place for arm in arms.values()) for place in (0, 1, None)]
    assert [base["people"], other["people"], found["held_back"]["people"]] == counts
    assert [base["received"], other["received"], found["held_back"]["received"]] == counts
    assert (base["compared"], base["reward_per_person"], other["reward_per_person"]) == (None, 0, 1)
    assert (base["strays"], other["strays"], found["sample_ratio"]["alarm"]) == (0, 0, False)
    assert other["compared"]["difference"] == 1
    assert 0 < other["compared"]["low"] < 1 < other["compared"]["high"]
    assert other["compared"]["p_value"] < found["alpha"]
    in_arms = sum(arms[person] is not None for person in ("p1", "p2", "p3"))
    assert (found["cuped"]["decisions_before"], found["cuped"]["theta"]) == (in_arms, 0)
    assert other["adjusted"] == other["compared"]
    last = found["history"][-1]
    assert (last["policy"], last["low"]) == ("greedy", other["compared"]["low"])

    await system.post("/api/admin/experiments/one/stop", reason="known")
    await system.folded()
    for person in people[:10]:
        assert (await system.post("/v1/recommendations", user_id=person))["policy"] == "linucb"
    await system.folded()
    after = await system.get("/api/admin/experiments/one/results")
    assert [arm["decisions"] for arm in after["arms"]] == [base["decisions"], other["decisions"]]
    assert (await refused(system, "/one/stop"))[:2] == (409, "experiment_id")
    assert (await refused(system, **ORDER))[:2] == (409, "experiment_id")


async def test_arms_that_serving_does_not_keep_to_raise_the_sample_ratio_alarm(shadowed: System) -> None:
    system = shadowed
    await system.post("/api/admin/experiments", **ORDER, salt="s")
    await system.folded()
    nobody = await system.get("/api/admin/experiments/one/results")
    assert nobody["sample_ratio"]["detail"] == "Nobody is in it yet."
    # Somebody asks the scorer past the recommender, with a split of 70 to 30: with 60 to 40 these people's final split,
    # 459 to 341, is no alarm, and whether there was one before depends on who came first.
    scorer = system.door.app.state.parts.scorer
    candidates = [row["tip_id"] for row in await system.get("/api/admin/tips?active=true")][:3]

    async def asked(person: str) -> None:
        policy = ARMS[arm_of(person, "s", (7, 3)) or 0]["policy"]
        body = {"user_id": person, "context": {}, "candidates": candidates, "policy": policy}
        answer = await scorer.post("/score", json=body)
        assert answer.status_code == 200, answer.text

    for first in range(0, 800, 100):
        await asyncio.gather(*(asked(f"p{number}") for number in range(first, first + 100)))
    await system.folded()
    found = await system.get("/api/admin/experiments/one/results")
    ratio = found["sample_ratio"]
    assert (ratio["alarm"], ratio["since"] is not None, ratio["p_value"] < 0.001) == (True, True, True)
    assert ratio["detail"].startswith("People are not split as planned: linucb ")
    assert "%, planned 50.0%)" in ratio["detail"]
    assert found["arms"][0]["strays"] + found["arms"][1]["strays"] > 40


async def test_of_two_that_start_at_one_moment_one_is_told_of_the_other(shadowed: System) -> None:
    orders = [ORDER | {"experiment_id": name} for name in ("one", "two")]
    answers = await asyncio.gather(
        *(shadowed.door.admin.post("/api/admin/experiments", json=order) for order in orders)
    )
    assert sorted(answer.status_code for answer in answers) == [202, 409]
    assert len(await shadowed.get("/api/admin/experiments")) == 1


async def test_what_cannot_be_started_is_refused_by_its_field(shadowed: System) -> None:
    system = shadowed
    linucb, greedy = ARMS
    for arms, field in (
        ([linucb, {"policy": "nobody", "weight": 1.0}], "arms[1].policy"),
        ([{"policy": "random", "weight": 1.0}, linucb], "arms[0].policy"),
        ([linucb, greedy, linucb], "arms[2].policy"),
        ([linucb], "arms"),
        ([linucb, {"policy": "greedy", "weight": 0}], "arms[1].weight"),
        ([linucb, {"policy": "greedy", "weight": 1e-9}], "arms[1].weight"),
    ):
        assert (await refused(system, **ORDER | {"arms": arms}))[:2] == (422, field)
    for change, field in (
        ({"holdback": 1.0}, "holdback"), ({"experiment_id": "a/b"}, "experiment_id"), ({"name": ""}, "name"),
        ({"experiment_id": "users"}, "experiment_id"), ({"salt": ""}, "salt"),
    ):  # fmt: skip
        assert (await refused(system, **ORDER | change))[:2] == (422, field)
    assert (
        "random is disabled; enable or shadow it first"
        in (await refused(system, **ORDER | {"arms": [{"policy": "random", "weight": 1.0}, linucb]}))[2]
    )
    assert (await refused(system, "/nobody/stop"))[:2] == (404, "experiment_id")
    assert (await system.door.admin.get("/api/admin/experiments/nobody/results")).status_code == 404
    event = ExperimentStarted(experiment_id="x/y", name="Odd", salt="s", arms=[Arm(policy="linucb", weight=1.0)])
    await system.door.app.state.parts.link.publisher.publish_signed(event, actor="ada")
    await system.folded()
    status, field, detail = await refused(system, **ORDER)
    assert (status, field, "experiment x/y (Odd) runs" in detail) == (409, "experiment_id", True)
    assert (await system.door.caller.post("/api/admin/experiments", json=ORDER)).status_code == 403
