"""The three worker processes end to end: real server, real files, kills, switches, and SQL from outside."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from typing import Any

import duckdb
import pytest

from contracts.envelope import Entry
from contracts.events.admin import SqlExecuted
from projections.queries import ReadModel
from projections.sinks.versions import Versions
from projections.sql.watchdog import EXIT_STATUS
from services.accounts.accounts import Accounts
from services.bootstrap import ensure_stream, open_decoder
from services.bus.jetstream import JetStreamBus
from tests.folds.log import Log
from tests.projections.workers import PASSWORD, Worker, files, fresh, publish, settings_of
from tests.servers import NatsServer

Start = Callable[[str], Worker]
Said = tuple[str | None, str, str, str]
"""A statement in the log: actor, text, door and outcome."""

PROJECTIONS = ("sqlite", "analytics", "query")


def busy_log(people: int, each: int) -> Log:
    """Signals, decisions and reactions of some people, with a few events that cannot count."""
    log, chance = Log(), random.Random(7)
    for number in range(people * each):
        user = f"user-{number % people}"
        log.signal({"steps": float(number)}, user, event_id=f"s{number}")
        log.scored(user, f"d{number}", features={"a": 1.0, "b": 2.0}, missing=["a"] if number % 3 else [])
        action = chance.choice(["helpful", "not_helpful", "done", "snoozed", "dismissed"])
        log.feedback(action, user, f"d{chance.randrange(number + 1)}", event_id=f"f{number}")  # type: ignore[arg-type]
        if number % 10 == 0:
            log.feedback("helpful", user, f"never-{number}", event_id=f"w{number}")
            log.bare("tips.feedback.helpful.ann", b"nonsense", {"Nats-Msg-Id": f"bad{number}"})
        log.wait(seconds=60)
    return log


@pytest.fixture
async def start(nats_server: NatsServer, bus: JetStreamBus) -> AsyncIterator[Start]:
    """Starts a worker of a projection on a stream that has begun; all are gone after the test."""
    workers: list[Worker] = []
    settings = settings_of(nats_server)
    settings.make_home()
    await ensure_stream(bus, settings)

    def begin(projection: str) -> Worker:
        worker = Worker(projection, nats_server, bus)
        workers.append(worker)
        worker.start()
        return worker

    yield begin
    for worker in workers:
        worker.close()


async def test_killed_while_they_fold_all_three_count_every_event_once(bus: JetStreamBus, start: Start) -> None:
    log, kills = busy_log(20, 60), 2
    workers = [start(projection) for projection in PROJECTIONS]
    await asyncio.gather(*(worker.ask("status") for worker in workers))
    victims = kills * workers
    parts = [len(log.records) * part // len(victims) for part in range(len(victims) + 1)]
    for worker, (since, upto) in zip(victims, pairwise(parts), strict=True):
        before = (await worker.ask("status"))["seq"]
        publishing = asyncio.create_task(publish(bus, log, since=since, upto=upto))
        await worker.past(before + 1)
        worker.kill()
        worker.start()
        last = await publishing
    words = await same_digests(bus, workers, last)
    assert words["analytics"]["tables"] == words["query"]["tables"]
    both = words["sqlite"]["tables"].keys() & words["query"]["tables"].keys()
    assert all(words["sqlite"]["tables"][name] == words["query"]["tables"][name] for name in both)
    assert [worker.stop() for worker in workers] == [0, 0, 0], [worker.said() for worker in workers]


async def test_a_server_that_comes_back_is_folded_on(bus: JetStreamBus, nats_server: NatsServer, start: Start) -> None:
    log = busy_log(5, 20)
    workers = [start(projection) for projection in PROJECTIONS]
    last = await publish(bus, log)
    for worker in workers:
        await worker.past(last)
    nats_server.kill()
    nats_server.start()
    more = busy_log(5, 30)
    await same_digests(bus, workers, await publish(bus, more, since=log.seq))


async def same_digests(bus: JetStreamBus, workers: list[Worker], last: int) -> dict[str, dict[str, Any]]:
    """What each says once it has folded `last`, which is what folding afresh gives."""
    words = {worker.projection: await worker.reach(last) for worker in workers}
    for projection, word in words.items():
        assert word["tables"] == await fresh(bus, projection, word["checkpoint"]["seq"])
    return words


async def test_all_read_models_deleted_are_folded_again_to_the_same(bus: JetStreamBus, start: Start) -> None:
    worker = start("sqlite")
    before = await worker.reach(await publish(bus, busy_log(5, 20)))
    assert worker.stop() == 0
    folder = worker.settings.read_models_dir
    assert files(worker.settings.home) == ["pointers.sqlite", "sqlite-v1.sqlite", "sqlite-v1.state"]
    for path in folder.iterdir():
        path.unlink()
    worker.start()
    assert (await worker.reach(before["checkpoint"]["seq"]))["digest"] == before["digest"]


async def test_the_read_model_follows_the_projector(bus: JetStreamBus, start: Start) -> None:
    worker = start("sqlite")
    last = await publish(bus, busy_log(3, 10))
    await worker.past(last)
    model = ReadModel(worker.settings.home)
    assert model.seq() >= last
    assert model.counts()["decisions"] == 30
    assert {row["standing"] for row in model.policies()} == {"live", "disabled"}
    assert len(model.tips(active=True)) >= 40
    model.close()


async def test_statements_are_answered_and_each_is_in_the_log_by_name(bus: JetStreamBus, start: Start) -> None:
    worker = start("query")
    last = await publish(bus, busy_log(3, 10))
    await worker.past(last)
    answer = await worker.ask("sql", sql="SELECT count(*) AS n FROM tip_scores", actor="ada")
    assert (answer["columns"], answer["rows"]) == (["n"], [[30]])
    with pytest.raises(duckdb.Error), attached(worker, "a token that is nobody's"):
        pass
    refused = await worker.ask("sql", sql="DROP TABLE tip_scores", actor="eve")
    assert (refused["outcome"], "only SELECT" in refused["error"]) == ("refused", True)
    with attached(worker, key_of(worker, "zoe")) as remote:
        assert remote.execute("FROM tips.query('SELECT count(*) FROM rewards')").fetchall() == [(30,)]
        with pytest.raises(duckdb.Error):
            remote.execute("FROM tips.query('DELETE FROM tip_scores')")
    with attached(worker, PASSWORD) as remote:
        remote.execute("FROM tips.query('SELECT 42')")
    said = await statements(bus, last, lambda said: any(actor == "admin" for actor, *_ in said))
    assert ("ada", "SELECT count(*) AS n FROM tip_scores", "console", "ok") in said
    assert ("eve", "DROP TABLE tip_scores", "console", "refused") in said
    assert ("zoe", "SELECT count(*) FROM rewards", "quack", "ok") in said
    assert ("zoe", "DELETE FROM tip_scores", "quack", "refused") in said
    # What people asked is itself folded, into the file they ask.
    end = (await bus.info()).last_seq
    word = await worker.reach(end)
    assert word["tables"] == await fresh(bus, "query", word["checkpoint"]["seq"])
    assert worker.stop() == 0


async def test_a_switch_of_the_query_projection_keeps_its_door(bus: JetStreamBus, start: Start) -> None:
    worker = start("query")
    word = await worker.reach(await publish(bus, busy_log(3, 10)))
    opened = Versions(worker.settings.home).open("query", 2)
    await opened.projector(bus).run(upto=word["checkpoint"]["seq"])
    opened.close()
    assert (await worker.ask("switch", version=2))["version"] == 2
    with attached(worker, key_of(worker, "zoe")) as remote:
        assert remote.execute("FROM tips.query('SELECT count(*) FROM tip_scores')").fetchall() == [(30,)]
    assert (await worker.ask("sql", sql="SELECT 1 AS one", actor="ada"))["rows"] == [[1]]
    assert worker.stop() == 0


def key_of(worker: Worker, name: str) -> str:
    """The token of a new analyst."""
    accounts = Accounts(worker.settings.home)
    accounts.add(name, "long enough a word", "analyst")
    return accounts.make_key(name, "tests", ["sql"])[1]


@pytest.mark.slow
async def test_a_runaway_statement_ends_the_process_which_goes_on_where_it_was(bus: JetStreamBus, start: Start) -> None:
    worker = start("query")
    before = await worker.reach(await publish(bus, busy_log(3, 10)))
    deaf = "SELECT levenshtein(repeat('a', 400000), repeat('b', 400000))"
    asking = asyncio.create_task(worker.ask("sql", sql=deaf, actor="ada"))
    assert await worker.ended() == EXIT_STATUS
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    worker.start()
    word = await worker.reach(before["checkpoint"]["seq"])
    assert word["tables"] == await fresh(bus, "query", word["checkpoint"]["seq"])
    said = await statements(bus, before["checkpoint"]["seq"], lambda said: bool(said))
    assert said == [("ada", deaf, "console", "ended")]


def attached(worker: Worker, token: str) -> duckdb.DuckDBPyConnection:
    """An analyst's DuckDB with the query process attached as `tips`."""
    remote = duckdb.connect()
    for name in ("httpfs", "quack"):
        remote.execute(f"LOAD '{_extension(name)}'")
    try:
        remote.execute(f"ATTACH 'quack:localhost:{worker.settings.quack_port}' AS tips (TOKEN '{token}')")
    except duckdb.Error:
        remote.close()
        raise
    return remote


def _extension(name: str) -> Any:
    import projections.sql.door as door

    return door._extension(name)


async def statements(bus: JetStreamBus, after: int, enough: Callable[[list[Said]], bool]) -> list[Said]:
    """The statements logged after a sequence, as soon as they are enough."""
    decoder = await open_decoder(bus)
    found: list[Said] = []
    async with asyncio.timeout(20):
        async for records in bus.read(after, subjects=["tips.admin.sql.executed"]):
            for entry in map(decoder.decode, records):
                assert isinstance(entry, Entry)
                assert isinstance(entry.event, SqlExecuted)
                found.append((entry.actor, entry.event.sql, entry.event.door, entry.event.outcome))
            if enough(found):
                break
    return found
