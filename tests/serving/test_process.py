"""The scorer as a process and as the owner of its state: restarts, snapshots, versions, health and metrics."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from ml.policies.kernel import KERNEL
from ml.serving.app import create_app
from projections.control import subject_of
from projections.folds.digest import combined
from projections.projector import Projector
from projections.sinks.versions import Versions
from projections.worker import serve
from services.bus.errors import NoAnswer
from services.bus.jetstream import JetStreamBus
from services.settings import Settings
from tests.api.callers import API_KEY, PASSWORD
from tests.processes import TipstreamProcess
from tests.serving.scorers import TIPS, Running, running
from tests.waiting import until


async def ask(bus: JetStreamBus, **question: Any) -> dict[str, Any]:
    """The scorer's answer on its control subject."""
    return await ask_projection(bus, "scorer", **question)


async def ask_projection(bus: JetStreamBus, projection: str, **question: Any) -> dict[str, Any]:
    """A projection's answer on its control subject."""
    answer: dict[str, Any] = orjson.loads(await bus.request(subject_of(projection), orjson.dumps(question), 20))
    return answer


async def live(scorer: Running, rounds: int = 8) -> None:
    """Decisions and reactions of two people."""
    for number in range(rounds):
        user = ("ada", "bob")[number % 2]
        await scorer.score(user)
        await scorer.stats(min_seq=await scorer.feedback(user, ("done", "not_helpful", "snoozed")[number % 3]))


async def test_a_restart_goes_on_from_the_snapshot_to_the_same_digest(settings: Settings, bus: JetStreamBus) -> None:
    async with running(settings, bus) as scorer:
        await live(scorer)
        seq = (await scorer.stats(min_seq=(await scorer.bus.info()).last_seq))["seq"]
        stats, proof = await scorer.stats(), await ask(bus, op="digest")
    assert Versions(settings.home).snapshot("scorer", 1).exists()
    async with running(settings, bus) as scorer:
        await scorer.stats(min_seq=seq)
        assert await scorer.stats() == stats
        again = await ask(bus, op="digest")
        assert (again["tables"], again["digest"]) == (proof["tables"], proof["digest"])


async def test_without_its_snapshot_it_folds_to_the_same_digest(settings: Settings, bus: JetStreamBus) -> None:
    async with running(settings, bus) as scorer:
        await live(scorer)
        stats = await scorer.stats()
    Versions(settings.home).snapshot("scorer", 1).unlink()
    async with running(settings, bus) as scorer:
        await scorer.stats(min_seq=stats["seq"])
        assert await scorer.stats() == stats


async def test_its_digest_is_that_of_the_table(settings: Settings, bus: JetStreamBus, scorer: Running) -> None:
    stop = asyncio.Event()
    own = await JetStreamBus.connect(settings.bus_url, name="sqlite")
    projecting = asyncio.create_task(serve(own, settings, "sqlite", stop))
    await live(scorer)
    seq = (await scorer.stats(min_seq=(await scorer.bus.info()).last_seq))["seq"]

    async def table() -> bool:
        try:
            return bool((await ask_projection(bus, "sqlite", op="status"))["seq"] >= seq)
        except NoAnswer:
            return False

    await until(table)
    ours, theirs = await ask(bus, op="digest"), await ask_projection(bus, "sqlite", op="digest")
    assert ours["tables"] == {"bandit_stats": theirs["tables"]["bandit_stats"]}
    assert ours["digest"] == combined(ours["tables"].items())
    of_ada = await ask(bus, op="digest", user_id="ada")
    assert of_ada["tables"]["bandit_stats"] == (await scorer.stats("ada"))["digest"]
    features = (await scorer.caller.get("/features/ada")).json()["features"]
    assert len(features) == 4
    assert features[0]["seq"] > features[-1]["seq"]
    assert len(features[0]["features"]) == 16
    stop.set()
    await projecting
    await own.close()


async def test_another_version_takes_over_while_it_scores(
    settings: Settings, bus: JetStreamBus, scorer: Running
) -> None:
    await live(scorer)
    before = await scorer.stats()
    beside = Versions(settings.home).open("scorer", 2)
    projector: Projector = beside.projector(bus)
    await projector.run(upto=before["seq"])
    scoring = asyncio.create_task(_keep_scoring(scorer))
    status = await ask(bus, op="switch", version=2)
    assert (status["version"], status["last_error"]) == (2, None)
    await scoring
    assert Versions(settings.home).pointer("scorer").version == 2
    after = await scorer.stats()
    same = ("pulls", "cumulative_reward", "theta", "digest", "state_version")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert (await ask(bus, op="switch", version=1))["version"] == 1


async def _keep_scoring(scorer: Running) -> None:
    for _ in range(50):
        seq = await scorer.feedback("cy")
        assert (await scorer.score("dee", min_seq=seq))["logged"]


async def test_health_says_how_it_is(scorer: Running) -> None:
    await live(scorer, rounds=2)
    seq = (await scorer.stats(min_seq=(await scorer.bus.info()).last_seq))["seq"]
    health = await scorer.health()
    assert (health["state"], health["seq"], health["stream_last_seq"], health["lag_events"]) == ("up", seq, seq, 0)
    assert (health["connected"], health["kernel"], health["feature_set"]) == (True, KERNEL, "wellbeing.v1")
    assert health["outbox"] == {"waiting": 0, "refused": 0, "oldest_us": None, "unwritable": None}
    assert health["last_error"] is None


async def test_metrics_are_prometheus_text(scorer: Running) -> None:
    await live(scorer, rounds=4)
    unknown = {"user_id": "ann", "context": {}, "candidates": ["walk"], "policy": "of nobody"}
    assert (await scorer.caller.post("/score", json=unknown)).status_code == 422
    answer = await scorer.caller.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    assert families["tipstream_policy_failures"].samples == [], "a caller's mistake is no policy's failure"
    assert "of nobody" not in str(await scorer.health())
    decisions = families["tipstream_decisions"].samples
    assert sum(one.value for one in decisions if one.name.endswith("_total")) == 4
    assert {one.labels["policy"] for one in decisions} == {"linucb"}
    assert families["tipstream_scoring_seconds"].type == "histogram"
    (people,) = families["tipstream_scorer_people"].samples
    assert people.value == 2


async def test_refusals_are_counted(scorer: Running) -> None:
    await scorer.post(policy="oracle")
    await until(lambda: b'tipstream_scorer_refusals_total{status="422"} 1.0' in scorer.scorer.metrics.exposition())


async def test_until_the_log_is_folded_it_does_not_score(settings: Settings) -> None:
    away = settings.model_copy(update={"nats_url": "nats://127.0.0.1:1"})
    app = create_app(away)
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://scorer", headers={"Authorization": f"Bearer {API_KEY}"}
    )
    async with app.router.lifespan_context(app), client as caller:
        body = {"user_id": "ada", "context": {}, "candidates": TIPS[:3]}
        for answer in (await caller.post("/score", json=body), await caller.get("/stats/ada")):
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) >= 1
        health = (await caller.get("/health")).json()
        assert (health["state"], health["connected"], health["seq"]) == ("starting", False, 0)
        assert (await caller.get("/metrics")).status_code == 200


async def test_an_event_that_breaks_a_fold_shows_and_scoring_goes_on(
    scorer: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    await live(scorer, rounds=2)

    def broken(*_: object) -> None:
        raise RuntimeError("a fold with a fault")

    monkeypatch.setattr("projections.projector.advance", broken)
    seq = await scorer.feedback()
    projector = scorer.scorer.folded.owner.live.projector if scorer.scorer.folded.owner else None
    assert projector is not None
    await until(lambda: projector.last_error is not None)
    health = await scorer.health()
    assert health["state"] == "down"
    assert f"event {seq}" in health["last_error"]
    assert health["seq"] == seq - 1
    assert (await scorer.score())["logged"]
    assert (await scorer.post(min_seq=seq)).status_code == 503


@contextmanager
def scorer_process(settings: Settings) -> Iterator[TipstreamProcess]:
    """`tipstream scorer` on these settings; killed at the end if it still runs."""
    environment = os.environ | {
        "TIPSTREAM_HOME": str(settings.home),
        "TIPSTREAM_NATS_URL": settings.bus_url,
        "TIPSTREAM_PORT": str(settings.port),
        "TIPSTREAM_SCORER_PORT": str(settings.scorer_port),
        "TIPSTREAM_API_KEY": API_KEY,
        "TIPSTREAM_ADMIN_PASSWORD": PASSWORD,
    }
    process = TipstreamProcess("scorer", environment=environment, output=sys.stdout.buffer)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def test_a_killed_process_comes_back_with_all_it_acknowledged(settings: Settings, bus: JetStreamBus) -> None:
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with httpx.AsyncClient(base_url=settings.scorer_base, headers=headers, timeout=20) as caller:

        async def up() -> bool:
            try:
                return bool((await caller.get("/health")).json()["state"] == "up")
            except httpx.TransportError:
                return False

        with scorer_process(settings) as process:
            await until(up, limit=60)
            described = {"tip_id": "ours", "features": {"category": "rest"}}
            body = {"user_id": "a/b %2F", "context": {}, "candidates": [described], "decision_id": "d1"}
            first = (await caller.post("/score", json=body)).json()
            process.send_signal(signal.SIGKILL)
        with scorer_process(settings) as process:
            await until(up, limit=60)
            assert (await caller.post("/score", json=body)).json() == first
            stats = await caller.get("/stats/a%2Fb%20%252F")
            assert stats.json()["user_id"] == "a/b %2F"
            process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(process.wait, 20)
            assert process.returncode in (0, -signal.SIGTERM)
