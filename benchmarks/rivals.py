"""Two libraries doing a projection's work in their own way: eventsourcing (tracked in SQLite) and FastStream.

Both do less than our folds (one table, no joins, no learning), so their figures flatter them.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import orjson

from contracts.envelope import Message

RIVALS = {"eventsourcing": "eventsourcing", "FastStream": "faststream"}
_TABLE = "CREATE TABLE IF NOT EXISTS seen (subject TEXT, user_id TEXT, body TEXT)"
_INSERT = "INSERT INTO seen VALUES (?, ?, ?)"
COMMIT_EVERY = 500


def absent(rival: str) -> bool:
    """Whether a rival is not installed."""
    return find_spec(RIVALS[rival]) is None


def eventsourcing_projection(messages: Sequence[Message], folder: Path) -> Callable[[], int]:
    """Records the messages once as domain events in SQLite; each call projects all of them into a fresh SQLite view."""
    # By name, so that the types are the same whether it is installed or not.
    application, domain, persistence, sqlite, utils = (
        import_module(f"eventsourcing.{name}") for name in ("application", "domain", "persistence", "sqlite", "utils")
    )
    Aggregate: Any = domain.Aggregate
    Application: Any = application.Application
    Recorder: Any = sqlite.SQLiteTrackingRecorder
    Tracking: Any = persistence.Tracking

    class Seen(Aggregate):  # type: ignore[misc]
        @domain.event("Happened")  # type: ignore[untyped-decorator]
        def happen(self, subject: str, body: dict[str, Any]) -> None:
            self.subject = subject

    class Log(Application):  # type: ignore[misc]
        name = "log"

    class View(Recorder):  # type: ignore[misc]
        def construct_create_table_statements(self) -> list[str]:
            return [*super().construct_create_table_statements(), _TABLE]

        def take(self, domain_event: Any, tracking: Any) -> None:
            # As its documentation has it: the row and the position in one transaction, an event at a time.
            with self.datastore.transaction(commit=True) as cursor:
                self._insert_tracking(cursor, tracking)
                if isinstance(domain_event, Seen.Happened):
                    body = domain_event.body
                    cursor.execute(_INSERT, (domain_event.subject, body.get("user_id"), orjson.dumps(body).decode()))

    env = {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "LOG_SQLITE_DBNAME": str(folder / "log.sqlite")}
    log = Log(env)
    for start in range(0, len(messages), 50):
        aggregate = Seen()
        for message in messages[start : start + 50]:
            aggregate.happen(message.subject, orjson.loads(message.data))
        log.save(aggregate)
    runs = count()

    def project() -> int:
        # Its runner subscribes, which SQLite cannot do; this is the same loop over the notification log.
        where = {**env, "VIEW_SQLITE_DBNAME": str(folder / f"view-{next(runs)}.sqlite")}
        view = persistence.InfrastructureFactory.construct(utils.Environment("view", where)).tracking_recorder(View)
        at = 0
        while notifications := log.recorder.select_notifications(start=at + 1, limit=COMMIT_EVERY):
            for notification in notifications:
                view.take(log.mapper.to_domain_event(notification), Tracking(log.name, notification.id))
                at = notification.id
        return len(messages)

    return project


async def faststream_projection(url: str, events: int, folder: Path) -> int:
    """Consume the stream with FastStream, each message a call of a typed handler, rows committed in hundreds."""
    nats = import_module("faststream.nats")
    broker = nats.NatsBroker(url, logger=None)
    rows: list[tuple[str, str | None, str]] = []
    seen = 0
    done = asyncio.Event()
    store = sqlite3.connect(folder / f"faststream-{time.time_ns()}.sqlite", isolation_level=None)
    store.execute("PRAGMA journal_mode=WAL")
    store.execute("PRAGMA synchronous=NORMAL")
    store.execute(_TABLE)

    @broker.subscriber(  # type: ignore[untyped-decorator]
        "tips.>",
        stream=nats.JStream("TIPS", declare=False),
        deliver_policy=nats.DeliverPolicy.ALL,
        ordered_consumer=True,
        pending_msgs_limit=1_000_000,
    )
    async def take(body: dict[str, Any]) -> None:
        nonlocal seen
        rows.append(("", body.get("user_id"), orjson.dumps(body).decode()))
        seen += 1
        if len(rows) == COMMIT_EVERY or seen == events:
            store.execute("BEGIN")
            store.executemany(_INSERT, rows)
            store.execute("COMMIT")
            rows.clear()
        if seen == events:
            done.set()

    try:
        await broker.start()
        await asyncio.wait_for(done.wait(), 300)
    finally:
        await broker.stop()
        store.close()
    return events
