"""Promoting a registered model and rolling back, through the real scorer and the real MLflow."""

import httpx
import pytest

from contracts.codec import Decoder
from contracts.events.admin import UserErased
from contracts.feature_sets import CURRENT
from ml.registry.registry import CHAMPION, Registry
from ml.registry.server import MOUNT
from projections.audit import ScoreAudit
from projections.folds.projection import State, advance
from services.api.admin.commands import command
from services.bootstrap import open_decoder
from services.settings import Settings
from tests.api.callers import System, settings_for
from tests.registry.cards import registered, stored, whole
from tests.servers import MlflowServer, NatsServer

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def settings(nats_server: NatsServer, mlflow: MlflowServer) -> Settings:
    """A HOME of the test's own beside that MLflow."""
    return settings_for(nats_server.home, nats_server, mlflow="on", mlflow_url=mlflow.url)


async def recommended(system: System, user: str) -> str:
    """The model version that a fresh decision was made by, as the log says."""
    made = await system.post("/v1/recommendations", user_id=user)
    await system.folded()
    return str((await system.get(f"/api/admin/decisions/{made['decision_id']}"))["model_version"])


async def verdicts(system: System) -> dict[str, int]:
    """Every decision of the log computed again."""
    state, decoder = State(), await open_decoder(system.bus)
    assert isinstance(decoder, Decoder)
    audit = ScoreAudit(state)
    async for batch in system.bus.read(0, upto=(await system.bus.info()).last_seq):
        for recorded in batch:
            audit.observe(advance(state, decoder.decode(recorded))[0])
    return dict(audit.verdicts)


async def emptied(mlflow: MlflowServer, name: str) -> None:
    """A model is gone from MLflow, which counts its versions from 1 again, as after the loss of its store."""
    async with httpx.AsyncClient(base_url=f"{mlflow.url}{MOUNT}/api/2.0/mlflow/") as client:
        (await client.request("DELETE", "registered-models/delete", json={"name": name})).raise_for_status()


async def test_a_promoted_prior_scores_without_a_restart_and_one_event_goes_back(
    system: System, mlflow: MlflowServer
) -> None:
    first, second = await registered(mlflow.url, "tour"), await registered(mlflow.url, "tour", stored(3.0))
    assert await recommended(system, "ann") == "none"
    seen = []
    for version in (first, second):
        done = await system.post("/api/admin/models/promote", model_version=version, reason="tried")
        assert (done["model_version"], done["note"]) == (version, "")
        seen.append(await recommended(system, "ann"))
    again = await system.door.admin.post("/api/admin/models/promote", json={"model_version": second})
    assert (again.status_code, again.json()["field"]) == (409, "model_version")
    for _ in range(2):
        before = (await system.bus.info()).last_seq
        done = await system.post("/api/admin/models/rollback", reason="worse")
        assert (await system.bus.info()).last_seq == done["seq"] == before + 1
        seen.append(await recommended(system, "ann"))
    assert seen == [first, second, first, "neutral"]
    assert await verdicts(system) == {"identical": 5}
    nothing = await system.door.admin.post("/api/admin/models/rollback", json={})
    assert (nothing.status_code, nothing.json()["field"]) == (409, "feature_set")

    story = (await system.door.admin.get("/api/admin/models/card", params={"version": first})).json()
    assert [one["said"] for one in story["rollouts"]] == [
        "promoted", f"replaced by {second}", "promoted", "replaced by neutral",
    ]  # fmt: skip
    listed = {one["id"]: one for one in (await system.get("/api/admin/models"))["versions"]}
    assert listed[first]["aliases"] == [], "nobody scores from it"
    assert "## Rollout history" in listed[first]["card"]
    assert listed[second]["aliases"] == []


async def test_one_version_of_a_feature_set_is_champion_whatever_its_model_is_called(
    system: System, mlflow: MlflowServer
) -> None:
    first, second = await registered(mlflow.url, "crown"), await registered(mlflow.url, "rival", stored(3.0))

    async def champions() -> list[str]:
        versions = (await system.get("/api/admin/models"))["versions"]
        return [one["id"] for one in versions if "champion" in one["aliases"]]

    seen = []
    for path, order in (
        ("promote", {"model_version": first}), ("promote", {"model_version": second}), ("rollback", {}),
        ("rollback", {}),
    ):  # fmt: skip
        assert (await system.post(f"/api/admin/models/{path}", **order))["note"] == ""
        seen.append(await champions())
    assert seen == [[first], [second], [first], []]
    # As if MLflow had been away when nobody scored from it any more.
    async with httpx.AsyncClient(base_url=mlflow.url) as client:
        registry = Registry(client)
        await registry.point(await registry.version(first), CHAMPION)
    await system.post("/api/admin/models/promote", model_version=second)
    assert await champions() == [second]


async def test_an_id_that_an_emptied_registry_gives_again_is_told_from_the_one_in_the_log(
    system: System, mlflow: MlflowServer
) -> None:
    version = await registered(mlflow.url, "twice")
    seq = (await system.post("/api/admin/models/promote", model_version=version))["seq"]
    await system.folded()
    await emptied(mlflow, "twice")
    assert await registered(mlflow.url, "twice", stored(3.0)) == version
    for what in ("promote", "shadow"):
        refused = await system.door.admin.post(f"/api/admin/models/{what}", json={"model_version": version})
        assert (refused.status_code, refused.json()["field"]) == (409, "model_version")
        assert f"event {seq} names {version} with another prior" in refused.json()["detail"]
    # The same prior is the same version.
    await emptied(mlflow, "twice")
    assert await registered(mlflow.url, "twice") == version
    refused = await system.door.admin.post("/api/admin/models/promote", json={"model_version": version})
    assert refused.json()["detail"] == f"every score starts from {version} already"


async def test_people_erased_after_the_data_window_are_counted_when_the_card_is_read(
    system: System, mlflow: MlflowServer
) -> None:
    version = await registered(mlflow.url, "erased")
    receipt = UserErased(erasure_id="e1", ranges=[[1, 2]])
    counts = []
    for _ in range(2):
        found = (await system.door.admin.get("/api/admin/models/card", params={"version": version})).json()
        counts.append((found["erased_since"], found["lacks"], "Train again to un-learn" in found["text"]))
        for _ in range(2):
            await command(system.door.app.state.parts, receipt, "system")
        await system.folded()
    assert counts == [(0, [], False), (1, [], True)]


async def test_who_was_erased_before_the_log_was_read_is_in_no_prior(system: System, mlflow: MlflowServer) -> None:
    """The receipt stands behind the data window in any case, which ends a fifth before the log."""
    parts = system.door.app.state.parts
    before = await command(parts, UserErased(erasure_id="e1", ranges=[[1, 2]]), "system")
    window = whole(stored()).window
    assert window is not None
    read = window.model_copy(update={"erased_upto": before.seq})
    version = await registered(mlflow.url, "after", changes={"window": read})
    counts = []
    for erasure_id in ("e2", "e3"):
        await system.folded()
        found = await system.get(f"/api/admin/models/card?version={version}")
        counts.append((found["erased_since"], "None after its log was read" in found["text"]))
        await command(parts, UserErased(erasure_id=erasure_id, ranges=[[3, 4]]), "system")
    assert counts == [(0, True), (1, False)]


async def test_drift_is_told_against_the_training_window_of_a_version(system: System, mlflow: MlflowServer) -> None:
    """Of five decisions it was fitted on the second to the fourth."""
    for number in range(5):
        await system.post("/v1/recommendations", user_id="ann", decision_id=f"d{number}")
    await system.folded()
    second, fourth = [(await system.get(f"/api/admin/decisions/d{number}"))["decision"]["seq"] for number in (1, 3)]
    window = whole(stored()).window
    assert window is not None
    fitted_on = window.model_copy(update={"first_seq": second, "last_seq": fourth})
    version = await registered(mlflow.url, "drifting", changes={"window": fitted_on})
    moved = await system.get(f"/api/admin/data-quality/drift?days=1&model={version}")
    assert {(row["reference_values"], row["window_values"]) for row in moved} == {(3, 5)}
    without = await registered(mlflow.url, "windowless", changes={"window": None})
    for query, status in (
        (f"model={version}&first_seq=1", 422), (f"model={version}&last_seq=9", 422), ("model=nobody/1", 404),
        (f"model={without}", 409),
    ):  # fmt: skip
        refused = await system.door.admin.get(f"/api/admin/data-quality/drift?{query}")
        assert (refused.status_code, refused.json()["field"]) == (status, "model"), query


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"window": None, "checks": []}, "lacks its data window, fairness checks"),
        ({"digest": "0" * 64}, "the digests differ"),
    ],
)
async def test_a_version_without_a_complete_card_is_refused(
    system: System, mlflow: MlflowServer, changes: dict[str, object], said: str
) -> None:
    version = await registered(mlflow.url, "poor", changes=changes)
    order = {"model_version": version, "force": True, "reason": "all the same"}
    refused = await system.door.admin.post("/api/admin/models/promote", json=order)
    assert refused.status_code == 409
    assert refused.json()["field"] == "model_version"
    assert said in refused.json()["detail"]
    assert (await system.get("/api/admin/models"))["promotions"] == []


async def test_a_version_made_by_hand_has_no_card(system: System, mlflow: MlflowServer) -> None:
    async with httpx.AsyncClient(base_url=f"{mlflow.url}{MOUNT}/api/2.0/mlflow/") as client:
        run = (await client.post("runs/create", json={"experiment_id": "0"})).json()["run"]["info"]
        await client.post("registered-models/create", json={"name": "by-hand"})
        body = {"name": "by-hand", "source": f"{run['artifact_uri']}/model", "run_id": run["run_id"]}
        assert (await client.post("model-versions/create", json=body)).is_success
    refused = await system.door.admin.post("/api/admin/models/promote", json={"model_version": "by-hand/1"})
    assert refused.status_code == 409
    assert "has no model/card.json" in refused.json()["detail"]
    for unknown in ("nobody/1", "nobody", "/1", "by-hand/one", "by-hand/1/2", "../1", f"by-hand/{'9' * 100}"):
        answer = await system.door.admin.post("/api/admin/models/promote", json={"model_version": unknown})
        assert (answer.status_code, answer.json()["field"]) == (404, "model_version")


async def test_a_failed_check_is_promoted_only_with_force_and_a_reason(system: System, mlflow: MlflowServer) -> None:
    version = await registered(mlflow.url, "unfair", passed=False)
    orders: tuple[dict[str, object], ...] = ({}, {"force": True}, {"force": True, "reason": "a trial"})
    answers = [
        await system.door.admin.post("/api/admin/models/promote", json={"model_version": version} | order)
        for order in orders
    ]
    assert [answer.status_code for answer in answers] == [409, 422, 202]
    assert "foretold no worse" in answers[0].json()["detail"]
    await system.folded()
    (promotion,) = (await system.get("/api/admin/models"))["promotions"]
    assert promotion["reason"] == "forced: a trial"


async def test_only_who_operates_may_promote(system: System) -> None:
    for path in ("promote", "rollback"):
        answer = await system.door.caller.post(f"/api/admin/models/{path}", json={"model_version": "a/1"})
        assert answer.status_code == 403


# The last of the module, as it ends the server.
async def test_without_mlflow_the_scorer_keeps_its_prior_and_a_roll_back_needs_none(
    system: System, mlflow: MlflowServer
) -> None:
    version = await registered(mlflow.url, "away")
    await system.post("/api/admin/models/promote", model_version=version)
    mlflow.kill()
    assert await recommended(system, "bob") == version
    away = await system.door.admin.post("/api/admin/models/promote", json={"model_version": version})
    assert away.status_code == 503
    done = await system.post("/api/admin/models/rollback", feature_set=CURRENT)
    assert done["model_version"] == "neutral"
    assert await recommended(system, "bob") == "neutral"
    assert await verdicts(system) == {"identical": 2}
