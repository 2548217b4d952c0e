"""Following a replay: its progress while it runs, its digests by table once it has ended, and its versions."""

import asyncio

import orjson

from projections.rebuild import Replayer
from projections.replay import progress_subject
from services.bus.jetstream import JetStreamBus
from services.settings import Settings
from tests.api.callers import System
from tests.waiting import until


async def test_a_replay_that_runs_shows_its_progress_to_whoever_looks_later(
    system: System, bus: JetStreamBus, settings: Settings
) -> None:
    asked = await system.post("/api/admin/replay-signal", projections=["sqlite", "query"], reason="proof")
    path = f"/api/admin/replay-signal/{asked['replay_id']}"
    await system.folded()
    waiting = await system.get(path)
    assert (waiting["progress"], waiting["outcome"]) == (None, None)
    report = {
        "projection": "sqlite", "phase": "folding", "step": 1, "steps": 2, "events": 5, "total": 20,
        "events_per_s": 10.0, "remaining_s": 1.5, "results": [],
    }  # fmt: skip

    async def told() -> bool:
        await bus.tell(progress_subject(asked["replay_id"]), b"no progress")
        await bus.tell(progress_subject(asked["replay_id"]), orjson.dumps(report))
        return (await system.get(path))["progress"] is not None

    await until(told)
    assert (await system.get(path))["progress"] == report
    assert (await system.get("/api/admin/replay-signal?limit=1"))[0]["progress"] == report

    replaying = asyncio.create_task(Replayer(bus, settings).run())

    async def ended() -> bool:
        return (await system.get(path))["outcome"] is not None

    try:
        await until(ended)
    finally:
        replaying.cancel()
        await asyncio.gather(replaying, return_exceptions=True)
    row = await system.get(path)
    assert (row["outcome"], row["full"], row["progress"]) == ("done", True, None)
    for result in row["results"]:
        assert (result["equal"], result["switched"]) == (True, True)
        assert {"tip_scores", "policies"} <= result["tables"].keys()
        for digests in result["tables"].values():
            assert digests["live"] == digests["rebuilt"]
    found = {(one["projection"], one["version"]): one["standing"] for one in await system.get("/api/admin/versions")}
    assert found == {
        ("sqlite", 2): "live", ("sqlite", 1): "previous", ("query", 2): "live", ("query", 1): "previous",
        ("analytics", 1): "live", ("scorer", 1): "live",
    }  # fmt: skip


async def test_a_version_as_it_was_is_listed_with_its_end(
    system: System, bus: JetStreamBus, settings: Settings
) -> None:
    asked = await system.post("/api/admin/replay-signal", projections=["sqlite"], upto_seq=3)
    replaying = asyncio.create_task(Replayer(bus, settings).run())

    async def listed() -> bool:
        return any(one["standing"] == "as_it_was" for one in await system.get("/api/admin/versions"))

    try:
        await until(listed)
    finally:
        replaying.cancel()
        await asyncio.gather(replaying, return_exceptions=True)
    (version,) = [one for one in await system.get("/api/admin/versions") if one["standing"] == "as_it_was"]
    assert (version["projection"], version["version"], version["upto_seq"]) == ("sqlite", 2, 3)
    assert (settings.home / version["file"]).is_file()
    assert version["bytes"] > 0
    row = await system.get(f"/api/admin/replay-signal/{asked['replay_id']}")
    assert row["results"][0]["tables"]["tips"]["live"] is None
