"""The outbox on disk, and the scorer when the stream is away: nothing is lost, nothing counts twice."""

import asyncio
import sqlite3
from pathlib import Path
from random import Random

import httpx
import pytest

from contracts.envelope import Message
from contracts.headers import MSG_ID
from ml.serving.app import create_app
from ml.serving.outbox import Outbox, OutboxBroken
from services.bus.jetstream import JetStreamBus
from services.settings import Settings
from tests.api.callers import API_KEY
from tests.servers import NatsServer
from tests.serving.scorers import Running, decisions_in, running
from tests.waiting import until


def message(number: int) -> Message:
    return Message(f"tips.scored.user-{number}", {MSG_ID: f"d{number}", "ce-id": f"d{number}"}, b'{"n": %d}' % number)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox" / "scorer.sqlite"


def test_messages_come_out_as_they_went_in_and_in_order(path: Path) -> None:
    outbox = Outbox(path)
    for number in range(5):
        outbox.append(f"d{number}", message(number))
    assert [one.message for one in outbox.first(3)] == [message(0), message(1), message(2)]
    outbox.remove(outbox.first(2))
    assert (len(outbox), "d0" in outbox, "d2" in outbox) == (3, False, True)
    assert (outbox.find("d4"), outbox.find("d0")) == (message(4), None)


def test_what_waits_outlives_the_process(path: Path) -> None:
    first = Outbox(path)
    first.append("d1", message(1))
    # Not closed: as after a crash.
    again = Outbox(path)
    assert (len(again), again.find("d1")) == (1, message(1))
    assert again.oldest_us() == first.oldest_us()
    assert oct(path.stat().st_mode & 0o777) == "0o600"


def test_a_refused_message_is_put_aside_with_its_reason(path: Path) -> None:
    outbox = Outbox(path)
    outbox.append("d1", message(1))
    outbox.refuse(outbox.first(1)[0], "the stream says no")
    assert (len(outbox), outbox.refused, outbox.oldest_us()) == (0, 1, None)
    outbox.close()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT decision_id, reason FROM refused").fetchall() == [("d1", "the stream says no")]
    db.close()
    assert Outbox(path).refused == 1


def test_each_write_is_on_disk_before_it_returns(path: Path) -> None:
    outbox = Outbox(path)
    assert outbox._db.execute("PRAGMA synchronous").fetchone() == (2,)
    assert outbox._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_broken_file_is_said(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(OutboxBroken, match=r"scorer\.sqlite"):
        Outbox(path)


def test_a_full_disk_is_said_until_a_write_succeeds_or_for_a_minute(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(path)
    large = Message("tips.scored.ann", {MSG_ID: "d1"}, bytes(100_000))
    assert unwritable(outbox) is None
    (pages,) = outbox._db.execute("PRAGMA page_count").fetchone()
    outbox._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(OutboxBroken, match="neither logged nor kept"):
        outbox.append("d1", large)
    assert unwritable(outbox) == f"{path}: database or disk is full"
    assert len(outbox) == 0
    outbox._db.execute("PRAGMA max_page_count = 1000000")
    with monkeypatch.context() as later:
        later.setattr("ml.serving.outbox.KEPT_S", 0.0)
        assert unwritable(outbox) is None
    outbox.append("d1", large)
    assert unwritable(outbox) is None


def unwritable(outbox: Outbox) -> str | None:
    """Read anew, for mypy, which takes a property for a value that stays."""
    return outbox.unwritable


async def test_a_scorer_whose_outbox_is_damaged_says_so_until_it_is_moved_away(settings: Settings, path: Path) -> None:
    settings.make_home()
    outbox = settings.outbox_dir / "scorer.sqlite"
    outbox.parent.mkdir(exist_ok=True)
    outbox.write_bytes(Random(1).randbytes(8000))
    ended = asyncio.Event()
    app = create_app(settings, on_end=ended.set)
    headers = {"Authorization": f"Bearer {API_KEY}"}
    caller = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://scorer", headers=headers)
    async with app.router.lifespan_context(app), caller:
        health = (await caller.get("/health")).json()
        assert (health["state"], str(outbox) in health["remedy"]) == ("down", True)
        assert f"the outbox cannot be opened, and may hold decisions that people saw: {outbox}" in health["last_error"]
        refused = await caller.post("/score", json={})
        assert (refused.status_code, "move it away" in refused.json()["detail"]) == (503, True)
        assert outbox.stat().st_size == 8000
        outbox.rename(path.parent.with_name("kept.sqlite"))
        async with asyncio.timeout(10):
            await ended.wait()


async def test_decisions_wait_while_the_stream_is_away(scorer: Running, nats_server: NatsServer) -> None:
    before = await scorer.score("ada", decision_id="before")
    await scorer.stats(min_seq=await scorer.feedback())
    version = (await scorer.stats())["state_version"]
    nats_server.kill()
    kept = [await scorer.score("ada", decision_id=f"kept-{number}") for number in range(5)]
    assert [answer["logged"] for answer in kept] == [False] * 5
    assert {answer["state_version"] for answer in kept} == {version}
    health = await scorer.health()
    assert (health["connected"], health["outbox"]["waiting"]) == (False, 5)
    assert await scorer.score("ada", decision_id="kept-3") == kept[3]
    nats_server.start()
    await until(lambda: len(scorer.scorer.delivery.outbox) == 0)
    await scorer.stats(min_seq=(await scorer.bus.info()).last_seq)
    logged = [event for _, event in await decisions_in(scorer.bus)]
    assert [one.decision_id for one in logged] == ["before", *(f"kept-{number}" for number in range(5))]
    assert await scorer.score("ada", decision_id="kept-3") == kept[3] | {"logged": True}
    assert await scorer.score("ada", decision_id="before") == before
    assert (await scorer.score("ada"))["logged"] is True
    health = await scorer.health()
    assert (health["connected"], health["outbox"]["waiting"]) == (True, 0)


async def test_a_silent_server_costs_one_caller_a_second(scorer: Running, nats_server: NatsServer) -> None:
    await scorer.score()
    nats_server.pause()
    try:
        loop = asyncio.get_running_loop()
        began = loop.time()
        answers = [await scorer.score(decision_id=f"kept-{number}") for number in range(10)]
        took = loop.time() - began
    finally:
        nats_server.resume()
    assert [answer["logged"] for answer in answers] == [False] * 10
    assert took < 3
    await until(lambda: len(scorer.scorer.delivery.outbox) == 0)
    logged = [event.decision_id for _, event in await decisions_in(scorer.bus)]
    assert logged[1:] == [f"kept-{number}" for number in range(10)]


async def test_a_decision_outlives_the_scorer(settings: Settings, bus: JetStreamBus, nats_server: NatsServer) -> None:
    async with running(settings, bus) as scorer:
        await scorer.score(decision_id="before")
        nats_server.kill()
        kept = await scorer.score(decision_id="kept")
        assert not kept["logged"]
    nats_server.start()
    async with running(settings, bus) as scorer:
        await until(lambda: len(scorer.scorer.delivery.outbox) == 0)
        await scorer.stats(min_seq=(await scorer.bus.info()).last_seq)
        assert await scorer.score(decision_id="kept") == kept | {"logged": True}
        await scorer.stats(min_seq=await scorer.feedback(action="done", decision_id="kept"))
        assert (await scorer.stats())["pulls"] == 1
        assert [event.decision_id for _, event in await decisions_in(scorer.bus)] == ["before", "kept"]


async def test_a_decision_that_the_stream_has_already_is_not_stored_twice(scorer: Running) -> None:
    answer = await scorer.score(decision_id="d1")
    held = await scorer.bus.get((await scorer.bus.info()).last_seq)
    assert held is not None
    scorer.scorer.delivery.outbox.append("d1", Message(held.subject, dict(held.headers), held.data))
    scorer.scorer.delivery._filled.set()
    await until(lambda: len(scorer.scorer.delivery.outbox) == 0)
    assert scorer.scorer.delivery.outbox.refused == 0
    assert [event.decision_id for _, event in await decisions_in(scorer.bus)] == ["d1"]
    assert await scorer.score(decision_id="d1") == answer


async def test_a_message_that_the_stream_never_takes_does_not_hold_up_the_others(scorer: Running) -> None:
    outbox = scorer.scorer.delivery.outbox
    outbox.append("bad", Message("tips.scored.a b", {MSG_ID: "bad"}, b"{}"))
    answer = await scorer.score(decision_id="good")
    assert not answer["logged"]
    await until(lambda: len(outbox) == 0)
    assert outbox.refused == 1
    assert [event.decision_id for _, event in await decisions_in(scorer.bus)] == ["good"]
    assert "bad" in (await scorer.health())["last_error"]


async def test_a_stream_that_somebody_limited_gets_what_was_kept_once_the_limit_is_off(scorer: Running) -> None:
    outbox, link = scorer.scorer.delivery.outbox, scorer.bus._link
    config = (await link.api("STREAM.INFO.TIPS"))["config"]
    await link.api("STREAM.UPDATE.TIPS", {**config, "max_msg_size": 100})
    answer = await scorer.score(decision_id="kept")
    assert not answer["logged"]
    assert "maximum" in (await scorer.health())["stream_refuses"]
    await link.api("STREAM.UPDATE.TIPS", {**config, "max_msg_size": -1})
    await until(lambda: len(outbox) == 0)
    assert outbox.refused == 0
    assert [event.decision_id for _, event in await decisions_in(scorer.bus)] == ["kept"]


async def test_without_a_place_to_keep_it_a_decision_is_not_served(scorer: Running, nats_server: NatsServer) -> None:
    nats_server.kill()
    await until(lambda: not scorer.scorer.delivery.connected)
    scorer.scorer.delivery.outbox.close()
    answer = await scorer.post()
    assert answer.status_code == 503
    assert "neither logged nor kept" in answer.json()["detail"]
    # So that the scorer can end.
    nats_server.start()


def test_nothing_of_a_person_is_left_on_disk_once_they_are_let_go(path: Path) -> None:
    outbox = Outbox(path)
    for name in ("user-goes", "user-stays"):
        for number in range(20):
            outbox.append(f"{name}{number}", Message(f"tips.scored.{name}", {MSG_ID: f"{name}{number}"}, b"{}"))
        outbox.refuse(outbox.first(1)[0], "the stream says no")
        outbox.remove(outbox.first(19))
    files = [path, path.with_name(path.name + "-wal")]
    assert any(b"user-goes" in file.read_bytes() for file in files)
    outbox.forget("tips.scored.user-goes")
    assert not any(b"user-goes" in file.read_bytes() for file in files)
    assert outbox.refused == 1
    outbox.append("d1", message(1))
    assert Outbox(path).find("d1") == message(1)


async def test_letting_go_waits_for_decisions_on_their_way(scorer: Running, nats_server: NatsServer) -> None:
    delivery = scorer.scorer.delivery
    nats_server.pause()
    scoring = asyncio.create_task(scorer.score(user_id="ann"))
    await until(lambda: bool(delivery._delivering))
    letting_go = asyncio.create_task(delivery.let_go("ann"))
    assert (await scoring)["logged"] is False
    assert not letting_go.done(), "the decision waits in the outbox"
    nats_server.resume()
    await letting_go
    assert len(delivery.outbox) == 0
    assert len(await decisions_in(scorer.bus)) == 1
