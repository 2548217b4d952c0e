"""`tipstream train` on a demo's log: it goes on where it failed, and says the same for the same log."""

import asyncio
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import orjson
import pytest

from contracts.events.admin import ModelShadowed
from ml.pipelines import steps
from ml.pipelines.claim import claimed
from ml.pipelines.prior import Fit
from ml.pipelines.run import Run as Training
from ml.registry.registry import API, Registry
from services.bootstrap import open_decoder, trusted_signer
from services.bus.jetstream import JetStreamBus
from services.publishing import EventPublisher
from services.settings import Settings
from tests.processes import run_tipstream
from tests.registry.cards import stored, whole
from tests.servers import MlflowServer, NatsServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(nats_server: NatsServer, mlflow: MlflowServer) -> Run:
    """Runs `tipstream ...` in a process of its own, since Prefect reads its settings once."""
    settings = {
        "HOME": str(nats_server.home), "NATS_URL": nats_server.url, "FSYNC": "interval", "MLFLOW_URL": mlflow.url
    }  # fmt: skip

    def tipstream(*arguments: str) -> subprocess.CompletedProcess[str]:
        variables = {f"TIPSTREAM_{name}": value for name, value in settings.items()}
        return run_tipstream(*arguments, environment={**os.environ, **variables, "COLUMNS": "200"})

    return tipstream


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server that the first test which needs it starts."""
    server = MlflowServer(tmp_path_factory.mktemp("registry") / "mlflow")
    try:
        yield server
    finally:
        server.kill()


def started(mlflow: MlflowServer) -> None:
    """Starting it is what takes long: once for the module."""
    if not mlflow.home.exists():
        mlflow.home.mkdir()
        mlflow.start()


async def names_another(server: NatsServer, version: str) -> None:
    """The log knows an id already, by another prior than training makes."""
    bus = await JetStreamBus.connect(server.url, name="test")
    try:
        signer = trusted_signer(Settings(home=server.home), await open_decoder(bus))
        event = ModelShadowed(**stored().told_of(version))
        await EventPublisher(bus, signer, source="/test").publish_signed(event, actor="ada")
    finally:
        await bus.close()


async def deleted(mlflow: MlflowServer, version: str) -> None:
    """Delete a version, as an operator may."""
    async with httpx.AsyncClient(base_url=mlflow.url) as client:
        registry = Registry(client)
        await registry.remove(await registry.version(version))


async def in_shadow(server: NatsServer) -> list[str]:
    """The versions that the log says went into shadow, in order."""
    bus = await JetStreamBus.connect(server.url, name="test")
    try:
        found: list[str] = []
        last = (await bus.info()).last_seq
        async for batch in bus.read(0, upto=last, subjects=["tips.admin.model.shadowed.*"]):
            found += [orjson.loads(recorded.data)["model_version"] for recorded in batch]
        return found
    finally:
        await bus.close()


def test_training_goes_on_where_it_failed_and_registers_what_is_not_there(
    nats_server: NatsServer, mlflow: MlflowServer, run: Run
) -> None:
    assert run("demo", "--people", "10", "--days", "8", "--history-only").returncode == 0
    # Here, since a first training makes Prefect's database, which takes longer than all else of it.
    with claimed(nats_server.home / "pipelines"):
        second = run("train", "--young")
    assert (second.returncode, "Traceback" in second.stderr) == (1, False)
    assert f"tipstream: another training runs (pid {os.getpid()})" in second.stderr
    failed = run("train", "--young")
    assert failed.returncode == 1
    assert "tipstream: MLflow does not answer" in failed.stderr
    assert "Traceback" not in failed.stderr
    (folder,) = (path for path in (nats_server.home / "pipelines" / "results").iterdir() if path.is_dir())
    kept = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert set(kept) == {"features", "fit", "judge", "fairness", "card"}
    assert (folder.parent / "run.json").exists()
    # The log of a system that people use has grown by the time that a failure is mended.
    assert run("publish", "tips.signal.steps.ann", '{"values": {"steps": 1}}').returncode == 0
    # Going on takes what is there, and makes it no younger.
    assert run("train", "--young").returncode == 1
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == kept

    started(mlflow)
    done = json.loads(run("train", "--young", "--json").stdout)
    assert done["model_version"] == "prior/1"
    upto = ("--upto-seq", str(done["card"]["window"]["judged_upto"]))
    # What is registered is what the registry says, not what a run before was told.
    asyncio.run(deleted(mlflow, "prior/1"))
    again = json.loads(run("train", "--young", "--json", *upto).stdout)
    asyncio.run(names_another(nats_server, "second/1"))
    other = json.loads(run("train", "--young", "--json", "--name", "second", *upto).stdout)
    left = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert all(left[step] == kept[step] for step in ("fit", "judge", "fairness", "card"))
    # Rows of decisions do not outlive their run.
    assert "features" not in left
    assert not (folder.parent / "run.json").exists()
    assert (again["model_version"], again["digest"]) == ("prior/2", done["digest"])
    # An id means one prior for ever.
    assert asyncio.run(in_shadow(nats_server)) == ["prior/1", "prior/2", "second/1", "second/2"]
    # Under another name everything is worked out anew.
    assert (other["model_version"], other["digest"]) == ("second/2", done["digest"])
    card = done["card"]
    assert card["window"]["last_seq"] < card["window"]["judged_upto"]
    assert card["window"]["erased_upto"] == 0
    assert card["offline"]["error"] > 0
    assert {group["label"].partition(":")[0] for group in card["groups"]} == {"people", "sources", "day"}


class Killed(Exception):
    """Nothing is sent any more."""


async def dies(request: httpx.Request) -> None:
    """As if the process were killed before it can say that a run is finished."""
    if request.url.path.endswith("runs/update"):
        raise Killed


async def test_a_version_is_registered_once_under_an_id_of_its_own(mlflow: MlflowServer) -> None:
    await asyncio.to_thread(started, mlflow)
    prior = stored()
    card, fit = whole(prior, "third"), Fit(prior.feature_set, prior.a0, prior.b0, 1.0, 9, {})
    run = Training("third", "2026-01-01T00:00:00Z", 9, 0, 7, "day", False, "code")
    async with httpx.AsyncClient(base_url=mlflow.url, event_hooks={"request": [dies]}) as client:
        with pytest.raises(Killed):
            await steps.register(client, run, fit, card, frozenset())
    async with httpx.AsyncClient(base_url=mlflow.url) as client:
        # Once more as if it had been killed when MLflow had answered.
        for _ in range(2):
            assert await steps.register(client, run, fit, card, frozenset()) == "third/1"
        body = {"experiment_ids": [str(number) for number in range(9)], "filter": f"tags.run = '{run.key}'"}
        runs = (await client.post(f"{API}/mlflow/runs/search", json=body)).json()["runs"]
        assert sorted(one["info"]["status"] for one in runs) == ["FINISHED", "KILLED"]
        # The log knows these by other priors.
        taken = frozenset({"third/1", "third/2", "third/3"})
        assert await steps.register(client, run, fit, card, taken) == "third/4"
        listed = [one.id for one in await Registry(client).versions() if one.name == "third"]
        assert sorted(listed) == ["third/1", "third/4"]
        # It is live by now, or was withdrawn.
        assert await steps.point(client, "third/4", card, along=False) == []
        assert await steps.point(client, "third/4", card, along=True) == ["shadow", "challenger"]
        assert (await Registry(client).version("third/4")).aliases == ["challenger", "shadow"]


def test_without_any_mlflow_it_says_so_before_it_trains(tmp_path: Path) -> None:
    environment = {**os.environ, "TIPSTREAM_HOME": str(tmp_path), "TIPSTREAM_MLFLOW": "off"}
    done = run_tipstream("train", environment=environment)
    assert done.returncode == 1
    assert done.stderr.startswith("tipstream: TIPSTREAM_MLFLOW is off, and a model is registered in MLflow")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--name", "a/b"], "--name 'a/b' must be 1 to 64 letters, digits, points, dashes or underscores"),
        (["--segment", "age"], "segment 'age' is unknown; there are day, hours"),
    ],
)
def test_a_bad_option_is_told_in_words(run: Run, arguments: list[str], said: str) -> None:
    done = run("train", *arguments)
    assert (done.returncode, done.stderr) == (1, f"tipstream: {said}\n")
