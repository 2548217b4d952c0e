"""The processes that own a projection: `projector` (SQLite), `analytics` (DuckDB) and `query` (DuckDB, locked)."""

import asyncio
import hmac
import logging
import signal

import uvloop

from contracts.events.admin import SqlExecuted
from projections.control import subject_of
from projections.owner import MakeDoor, Owner
from projections.sinks.duckdb import DuckdbSink
from projections.sinks.versions import Versions
from projections.sql.door import SqlDoor
from projections.sql.records import StatementRecord, TokenCheck
from services.accounts.accounts import ADMIN, Accounts
from services.bootstrap import Bus, ensure_stream, load_signer
from services.bus.jetstream import JetStreamBus
from services.keys import load_secrets
from services.publishing import EventPublisher
from services.settings import Settings

SOURCE = "/tipstream/query"
MOST_SQL, MOST_ERROR = 20_000, 4_000

log = logging.getLogger(__name__)


def run_projector(settings: Settings) -> None:
    """Fold into SQLite until SIGTERM or SIGINT. Raises TipstreamError."""
    _run(settings, "sqlite")


def run_analytics(settings: Settings) -> None:
    """Fold into DuckDB and answer the console's views until SIGTERM or SIGINT. Raises TipstreamError."""
    _run(settings, "analytics")


def run_query(settings: Settings) -> None:
    """Fold into a locked DuckDB and answer people's SQL until SIGTERM or SIGINT. Raises TipstreamError."""
    _run(settings, "query")


def _run(settings: Settings, projection: str) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_connect_and_serve(settings, projection))


async def _connect_and_serve(settings: Settings, projection: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    connecting = asyncio.create_task(
        JetStreamBus.connect(settings.bus_url, name=f"tipstream {projection}", timeout=None)
    )
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({connecting, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not connecting.done():
        connecting.cancel()
        await asyncio.wait({connecting})
        return
    bus = connecting.result()
    try:
        await serve(bus, settings, projection, stop)
    finally:
        stopping.cancel()
        await bus.close()


async def serve(bus: Bus, settings: Settings, projection: str, stop: asyncio.Event) -> None:
    """Own a projection on this bus until `stop` is set. Raises TipstreamError."""
    settings.make_home()
    await ensure_stream(bus, settings)
    make_door = _door_maker(bus, settings) if projection == "query" else None
    owner = Owner(bus, Versions(settings.home), projection, make_door=make_door)
    # First, so that whoever asks for its health meanwhile hears that it starts.
    await bus.respond(subject_of(projection), owner.answer)
    await owner.start()
    ending = asyncio.create_task(stop.wait())
    ending.add_done_callback(lambda _: owner.stop())
    try:
        await owner.run()
    finally:
        ending.cancel()


def _door_maker(bus: Bus, settings: Settings) -> MakeDoor:
    note_down = StatementLog(EventPublisher(bus, load_signer(settings), source=SOURCE))
    check = token_check(settings)

    def make(sink: DuckdbSink) -> SqlDoor:
        return SqlDoor(sink.connection, port=settings.quack_port, token_check=check, on_statement=note_down)

    return make


def token_check(settings: Settings) -> TokenCheck:
    """A key whose scopes hold `sql` is its owner, the admin password `admin`; looked up anew each time."""
    accounts, password = Accounts(settings.home), load_secrets(settings).admin_password.encode()

    def check(token: str) -> str | None:
        if hmac.compare_digest(token.encode("utf-8", "replace"), password):
            return ADMIN
        identity = accounts.key(token)
        return identity.name if identity is not None and identity.may("sql") else None

    return check


class StatementLog:
    """Publishes what became of each statement, signed, in the name of whoever asked."""

    def __init__(self, publisher: EventPublisher) -> None:
        self._publisher = publisher
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, record: StatementRecord) -> None:
        task = asyncio.create_task(self._publish(record), name="log a statement")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _publish(self, record: StatementRecord) -> None:
        event = SqlExecuted(
            sql=_text(record.sql, MOST_SQL),
            door=record.door,
            outcome=record.outcome,
            duration_us=record.duration_us,
            rows=record.rows,
            error=None if record.error is None else _text(record.error, MOST_ERROR),
        )
        try:
            await self._publisher.publish_signed(event, actor=record.actor)
        except Exception:
            log.exception("a statement of %s was not logged", record.actor)


def _text(text: str, most: int) -> str:
    """Text that an event can hold."""
    return text.encode("utf-8", "replace").decode()[:most]
