"""A registered model in shadow, through the real scorer, the shadow process and the real MLflow."""

from typing import Any

import pytest

from services.settings import Settings
from tests.api.callers import System, settings_for
from tests.registry.cards import registered, stored
from tests.servers import MlflowServer, NatsServer
from tests.waiting import until

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def settings(nats_server: NatsServer, mlflow: MlflowServer) -> Settings:
    """A HOME of the test's own beside that MLflow."""
    return settings_for(nats_server.home, nats_server, mlflow="on", mlflow_url=mlflow.url)


async def refused(system: System, what: str, model_version: str) -> tuple[int, str | None, str]:
    """Status, field and words of an order that is not carried out."""
    order = {"model_version": model_version}
    answer = await system.door.admin.post(f"/api/admin/models/{what}", json=order)
    said = answer.json()
    return answer.status_code, said.get("field"), said["detail"]


async def ordered(system: System, what: str, model_version: str) -> None:
    """Carry out an order, of which MLflow takes everything."""
    done = await system.post(f"/api/admin/models/{what}", model_version=model_version, reason="tried")
    assert (done["model_version"], done["note"]) == (model_version, "")
    await system.folded()


async def shadows(system: System) -> dict[str, dict[str, Any]]:
    return {one["model_version"]: one for one in await system.get("/api/admin/models/shadows")}


async def card(system: System, version: str) -> dict[str, Any]:
    answer = await system.door.admin.get("/api/admin/models/card", params={"version": version})
    found: dict[str, Any] = answer.json()
    return found


async def aliases(system: System, version: str) -> list[str]:
    listed = {one["id"]: one for one in (await system.get("/api/admin/models"))["versions"]}
    found: list[str] = listed[version]["aliases"]
    return found


async def test_a_version_scores_along_tells_what_it_would_have_earned_and_is_withdrawn(
    system: System, mlflow: MlflowServer
) -> None:
    version = await registered(mlflow.url, "along")
    assert (await card(system, version))["shadow"] is None
    await ordered(system, "shadow", version)
    assert "No decision was made again under it yet." in (await card(system, version))["text"]
    for number in range(3):
        made = await system.post("/v1/recommendations", user_id=f"person-{number}")
        body = {"user_id": f"person-{number}", "action": "helpful", "decision_id": made["decision_id"]}
        await system.post("/v1/feedback", **body)

    async def scored_along() -> bool:
        return bool((await shadows(system))[version]["decisions"] == 3)

    await until(scored_along)
    await system.folded()
    found = (await shadows(system))[version]
    assert (found["actor"], found["reason"], found["until"], found["days"]) == ("admin", "tried", None, 1)
    assert found["estimate"] == pytest.approx(0.5), "whatever it had chosen, everybody likes everything"
    assert 0 <= found["agreement"] <= 1
    why = await system.get(f"/api/admin/decisions/{made['decision_id']}")
    assert [(one["policy"], one["model_version"]) for one in why["shadows"]] == [("linucb", version)]
    assert await system.get("/api/admin/policies/shadows") == [], "no policy climbs by it"
    told = await card(system, version)
    assert told["shadow"]["decisions"] == 3
    assert "3 decisions were made again under it" in told["text"]
    assert "It would have earned 0.500 (0.500 to 0.500) a decision" in told["text"]
    assert await aliases(system, version) == ["shadow"]

    await ordered(system, "withdraw", version)
    ended = (await shadows(system))[version]
    assert (ended["ended"], ended["decisions"]) == ("withdrawn", 3)
    assert await aliases(system, version) == []
    assert [one["said"] for one in (await card(system, version))["rollouts"]] == [
        "put into shadow", "withdrawn from shadow",
    ]  # fmt: skip
    assert await refused(system, "withdraw", version) == (409, "model_version", f"{version} does not score along")


async def test_another_one_takes_its_place_and_promoting_ends_it(system: System, mlflow: MlflowServer) -> None:
    first, second = await registered(mlflow.url, "turns"), await registered(mlflow.url, "turns", stored(3.0))
    await ordered(system, "shadow", first)
    assert await refused(system, "shadow", first) == (409, "model_version", f"{first} is in shadow already")
    await ordered(system, "shadow", second)
    assert {version: one["ended"] for version, one in (await shadows(system)).items()} == {
        second: None, first: f"replaced by {second}",
    }  # fmt: skip
    await ordered(system, "promote", second)
    assert (await shadows(system))[second]["ended"] == "promoted"
    assert await aliases(system, second) == ["champion"]
    status, field, said = await refused(system, "shadow", second)
    assert (status, field) == (409, "model_version")
    assert "is live" in said
    assert [one["said"] for one in (await card(system, first))["rollouts"]] == [
        "put into shadow", f"replaced in shadow by {second}",
    ]  # fmt: skip
    listed = (await system.get("/api/admin/models"))["shadows"]
    assert [(one["model_version"], one["until"] is None) for one in listed] == [(second, False), (first, False)]


async def test_what_may_not_be_promoted_for_its_card_does_not_shadow_and_failed_checks_do(
    system: System, mlflow: MlflowServer
) -> None:
    poor = await registered(mlflow.url, "poor", changes={"digest": "0" * 64})
    status, field, said = await refused(system, "shadow", poor)
    assert (status, field) == (409, "model_version")
    assert "the digests differ" in said
    assert (await refused(system, "shadow", "nobody/1"))[:2] == (404, "model_version")
    assert await shadows(system) == {}
    await ordered(system, "shadow", await registered(mlflow.url, "unfair", passed=False))


async def test_only_who_operates_may_put_into_shadow_and_withdraw(system: System) -> None:
    for what in ("shadow", "withdraw"):
        answer = await system.door.caller.post(f"/api/admin/models/{what}", json={"model_version": "a/1"})
        assert answer.status_code == 403


# The last of the module, as it ends the server.
async def test_without_mlflow_it_scores_along_and_can_be_withdrawn(system: System, mlflow: MlflowServer) -> None:
    version, other = await registered(mlflow.url, "away"), await registered(mlflow.url, "away", stored(3.0))
    await ordered(system, "shadow", version)
    mlflow.kill()
    assert (await refused(system, "shadow", other))[0] == 503
    await system.post("/v1/recommendations", user_id="ann")

    async def scored_along() -> bool:
        return bool((await shadows(system))[version]["decisions"])

    await until(scored_along)
    done = await system.post("/api/admin/models/withdraw", model_version=version)
    assert "MLflow does not answer" in done["note"]
    await system.folded()
    assert (await shadows(system))[version]["ended"] == "withdrawn"
