"""Models on a real MLflow server: its UI under our address, artifacts through the gate, the list, and health."""

from typing import Any

import pytest

from contracts.events.admin import ModelPromoted
from ml.features.definitions import CURRENT, FEATURE_SETS
from projections.projector import Projector
from services.api.admin.commands import command
from services.bus.jetstream import JetStreamBus
from services.settings import Settings
from tests.api.callers import Door, settings_for
from tests.servers import MlflowServer, NatsServer
from tests.waiting import until

pytestmark = pytest.mark.timeout(400)
API = "/admin/models/api/2.0/mlflow"


@pytest.fixture
def settings(nats_server: NatsServer, mlflow: MlflowServer) -> Settings:
    """A HOME of the test's own beside that MLflow."""
    return settings_for(nats_server.home, nats_server, mlflow="on", mlflow_url=mlflow.url)


async def post(door: Door, path: str, **body: Any) -> dict[str, Any]:
    answer = await door.admin.post(f"{API}/{path}", json=body)
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


async def test_its_interface_stands_under_our_address_and_asks_no_other_host(door: Door) -> None:
    page = await door.admin.get("/admin/models/")
    assert page.status_code == 200
    assert page.headers["x-frame-options"] == "SAMEORIGIN"
    assert "https://" not in page.text
    script = page.text.partition('src="')[2].partition('"')[0]
    assert (await door.admin.get(f"/admin/models/{script}")).status_code == 200
    assert (await door.stranger.get("/admin/models/")).status_code == 401
    assert (await door.stranger.get(f"/admin/models/{script}")).status_code == 401


async def test_a_model_that_is_registered_and_promoted_is_listed_with_alias_card_and_promoter(
    door: Door, folding: Projector, bus: JetStreamBus
) -> None:
    empty = (await door.admin.get("/api/admin/models")).json()
    assert empty == {"registry": "up", "detail": None, "versions": [], "promotions": [], "shadows": []}

    run = (await post(door, "runs/create", experiment_id="0", run_name="fit"))["run"]["info"]
    artifact = f"/admin/models/api/2.0/mlflow-artifacts/artifacts/0/{run['run_id']}/artifacts/model/prior.json"
    assert (await door.admin.put(artifact, content=b'{"b0": []}')).status_code == 200
    assert (await door.admin.get(artifact)).content == b'{"b0": []}'
    await post(door, "registered-models/create", name="prior")
    for card in ("# First", "# Second"):
        source = f"{run['artifact_uri']}/model"
        await post(
            door, "model-versions/create", name="prior", source=source, run_id=run["run_id"], description=card,
            tags=[{"key": "kind", "value": "linear"}],
        )  # fmt: skip
    await post(door, "registered-models/alias", name="prior", alias="champion", version="2")

    width = len(FEATURE_SETS[CURRENT].names)
    matrix = [[float(row == column) for column in range(width)] for row in range(width)]
    for version in ("prior/1", "prior/2"):
        promoted = ModelPromoted(
            model_version=version, feature_set=CURRENT, a0=matrix, b0=[0.0] * width, reason="tried"
        )
        await command(door.app.state.parts, promoted, "ada")
    await folding.wait_for((await bus.info()).last_seq)

    listed = (await door.admin.get("/api/admin/models")).json()
    second, first = listed["versions"]
    assert (second["id"], second["aliases"], second["card"]) == ("prior/2", ["champion"], "# Second")
    assert (first["id"], first["aliases"], first["tags"]) == ("prior/1", [], {"kind": "linear"})
    assert [(one["model_version"], one["live"]) for one in listed["promotions"]] == [
        ("prior/2", True),
        ("prior/1", False),
    ]
    assert {one["actor"] for one in listed["promotions"]} == {"ada"}
    assert {one["reason"] for one in listed["promotions"]} == {"tried"}


# The last of the module, as it ends the server; that it is started again is the supervisor's test.
async def test_killed_it_is_down_in_health_while_the_rest_goes_on(
    door: Door, folding: Projector, mlflow: MlflowServer
) -> None:
    async def has(state: str) -> bool:
        components = (await door.stranger.get("/api/health")).json()["components"]
        return bool(components["mlflow"]["state"] == state)

    await until(lambda: has("up"))
    mlflow.kill()
    await until(lambda: has("down"), limit=5.0)
    listed = (await door.admin.get("/api/admin/models")).json()
    assert listed["registry"] == "away"
    assert "does not answer" in listed["detail"]
    assert (await door.admin.get("/admin/models/")).status_code == 503
    assert (await door.admin.get("/api/admin/policies")).status_code == 200
