"""An installation without its processes: a log with people in it, and all of HOME that a backup must hold."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from contracts.envelope import Message, Recorded
from ml.serving.outbox import Outbox
from projections.folds.projection import State, fold
from services.accounts.accounts import Accounts
from services.backup.archive import Progress
from services.backup.manifest import Manifest
from services.backup.taking import take
from services.bootstrap import ensure_stream, open_decoder
from services.bus.jetstream import JetStreamBus
from services.keys import load_secrets
from services.settings import Settings
from tests.bus.messages import read_all
from tests.folds.log import apply, digests, empty_tables
from tests.servers import NatsServer

PASSWORD = "correct horse"


def silent(doing: str, done: int, total: int | None) -> None:
    """Tells nobody."""


quiet: Progress = silent


def signal(number: int) -> Message:
    """What a phone says of one of ten people."""
    identity = f"signal-{number}"
    body = b'{"source": "phone", "values": {"steps": %d}}' % number
    return Message(f"tips.signal.phone.user{number % 10}", {"Nats-Msg-Id": identity, "ce-id": identity}, body)


def signals(count: int, start: int = 0) -> list[Message]:
    """`count` of them with consecutive numbers."""
    return [signal(number) for number in range(start, start + count)]


async def furnish(server: NatsServer, *, events: int) -> Settings:
    """Begin the log on a server and fill HOME; its settings."""
    settings = Settings(home=server.home / "tipstream", nats_url=server.url)
    settings.make_home()
    bus = await JetStreamBus.connect(server.url, name="test")
    try:
        await ensure_stream(bus, settings)
        await bus.publish_all(signals(events))
    finally:
        await bus.close()
    load_secrets(settings)
    Accounts(settings.home).add("ann", PASSWORD, "analyst")
    outbox = Outbox(settings.outbox_dir / "scorer.sqlite")
    outbox.append("waits", Message("tips.scored.ann", {"Nats-Msg-Id": "waits"}, b"{}"))
    outbox.close()
    with closing(sqlite3.connect(settings.mlflow_dir / "mlflow.db")) as database, database:
        database.execute("CREATE TABLE runs (name TEXT)")
        database.execute("INSERT INTO runs VALUES ('prior')")
    artifact = settings.mlflow_dir / "artifacts" / "0" / "card.json"
    artifact.parent.mkdir(parents=True)
    artifact.write_text('{"card": "complete"}')
    for left_out in ("read_models/sqlite-v1.sqlite", "logs/api.log", "run/api.pid", "pipelines/results/one"):
        path = settings.home / left_out
        path.parent.mkdir(exist_ok=True)
        path.write_text("made anew")
    return settings


async def backed_up(settings: Settings, path: Path) -> Manifest:
    """Take a backup of it."""
    bus = await JetStreamBus.connect(settings.bus_url, name="test")
    try:
        return await take(bus, settings, path, quiet)
    finally:
        await bus.close()


async def records_of(url: str, last: int | None = None) -> list[Recorded]:
    """Everything in the log up to a sequence (its end, when None)."""
    bus = await JetStreamBus.connect(url, name="test")
    try:
        return await read_all(bus, 0, last or (await bus.info()).last_seq)
    finally:
        await bus.close()


async def digests_of(url: str, records: Sequence[Recorded]) -> dict[str, str]:
    """The digest of each table that is folded from these records of a log."""
    bus = await JetStreamBus.connect(url, name="test")
    try:
        decoder = await open_decoder(bus)
    finally:
        await bus.close()
    state, tables = State(), empty_tables()
    for record in records:
        apply(tables, fold(state, decoder.decode(record))[1])
    return digests(tables)


def files_in(home: Path) -> dict[str, int]:
    """The files below a folder but the log's, with their permissions."""
    return {
        str(path.relative_to(home)): path.stat().st_mode & 0o777
        for path in sorted(home.rglob("*"))
        if path.is_file() and path.relative_to(home).parts[0] not in ("nats", "run")
    }
