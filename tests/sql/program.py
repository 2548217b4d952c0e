"""A small query process for the tests: writes rows and a checkpoint without pause, and serves the SQL door.

Commands are JSON lines on stdin, answers and statement records JSON lines on stdout.
"""

import asyncio
import base64
import dataclasses
import hashlib
import json
import sys
import threading
from collections.abc import Callable
from typing import Any

import duckdb
import pyarrow as pa

from projections.sql.door import SqlDoor
from projections.sql.records import SqlError, SqlLimits, StatementRecord

TOKENS = {f"token-of-{name}": name for name in ("alice", "bob", "dan")}
SEEDED = 20_000
BATCH = 5


def say(what: dict[str, Any]) -> None:
    """One line to the test."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def open_file(path: str) -> duckdb.DuckDBPyConnection:
    """The file, with its tables when it is new."""
    connection = duckdb.connect(path)
    connection.execute("SET checkpoint_threshold = '256KiB'")
    connection.execute("CREATE TABLE IF NOT EXISTS checkpoints (name VARCHAR, seq BIGINT)")
    row = connection.execute("SELECT count(*) FROM checkpoints").fetchone()
    if row == (0,):
        connection.execute("BEGIN")
        connection.execute("INSERT INTO checkpoints VALUES ('query', 0)")
        connection.execute(
            "CREATE TABLE tip_scores AS SELECT range AS seq, 'user-' || range % 97 AS user_id, "
            f"range / 7 AS score FROM range({SEEDED})"
        )
        connection.execute("CREATE TABLE feedback AS SELECT range AS seq, 'helpful' AS action FROM range(500)")
        connection.execute("CREATE TABLE writes (seq BIGINT, note VARCHAR)")
        connection.execute("CREATE SEQUENCE numbers")
        connection.execute(
            "CREATE VIEW reward_daily AS SELECT user_id, avg(score) AS mean FROM tip_scores GROUP BY ALL"
        )
        connection.execute("COMMIT")
    return connection


class Writer(threading.Thread):
    """The fold's part: rows and checkpoint in one transaction, again and again, from registered Arrow tables."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        super().__init__(name="writer", daemon=True)
        self._connection = connection
        self._pause = threading.Event()
        self.errors: list[str] = []
        self.starved = 0

    def run(self) -> None:
        """Write until the process ends; too little memory is tried again, anything else is told."""
        row = self._connection.execute("SELECT seq FROM checkpoints").fetchone()
        seq = int(row[0]) if row else 0
        while not self._pause.wait(0.01):
            try:
                self._write(seq)
                seq += BATCH
            except duckdb.OutOfMemoryException:
                self.starved += 1
                self._undo()
            except duckdb.Error as error:
                self.errors.append(str(error))
                self._undo()

    def stop(self) -> None:
        """End after the transaction under way."""
        self._pause.set()
        self.join()

    def _write(self, seq: int) -> None:
        rows = pa.table({"seq": range(seq + 1, seq + 1 + BATCH), "note": ["written"] * BATCH})
        self._connection.execute("BEGIN")
        self._connection.register("new_rows", rows)
        self._connection.execute("INSERT INTO writes SELECT * FROM new_rows")
        self._connection.unregister("new_rows")
        self._connection.execute("UPDATE checkpoints SET seq = ?", [seq + BATCH])
        self._connection.execute("COMMIT")

    def _undo(self) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except duckdb.OutOfMemoryException:
            # As the sink does: the aborted transaction ends with its connection.
            connection = self._connection.cursor()
            self._connection.close()
            self._connection = connection
        except duckdb.Error as error:
            self.errors.append(str(error))


def state(cursor: duckdb.DuckDBPyConnection, writer: Writer) -> dict[str, Any]:
    """A digest of all that no one writes, and whether the writer's rows are exactly the writer's."""
    tables = cursor.execute(
        "SELECT table_name, sql FROM duckdb_tables() UNION ALL SELECT view_name, sql FROM duckdb_views() "
        "WHERE NOT internal UNION ALL SELECT sequence_name, sql || last_value FROM duckdb_sequences() ORDER BY ALL"
    ).fetchall()
    digest = hashlib.sha256(repr(tables).encode())
    for table in ("tip_scores", "feedback"):
        for row in cursor.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall():
            digest.update(repr(row).encode())
    written = cursor.execute(
        "SELECT (SELECT count(*) FROM writes), (SELECT count(DISTINCT seq) FROM writes WHERE note = 'written'), "
        "(SELECT coalesce(max(seq), 0) FROM writes), (SELECT any_value(seq) FROM checkpoints), "
        "(SELECT count(*) FROM checkpoints)"
    ).fetchone()
    held = cursor.execute("SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'").fetchone()
    return {
        "digest": digest.hexdigest(),
        "written": written,
        "errors": writer.errors,
        "starved": writer.starved,
        "held": held[0] if held else 0,
    }


async def serve(path: str, port: int, limits: SqlLimits) -> None:
    """Open, write, serve, answer commands until stdin ends."""
    connection = open_file(path)

    def tell(record: StatementRecord) -> None:
        say({"record": dataclasses.asdict(record)})

    door = SqlDoor(connection, port=port, token_check=TOKENS.get, on_statement=tell, limits=limits)
    await door.start()
    writer = Writer(connection.cursor())
    writer.start()
    say({"ready": True})

    async def answer(command: dict[str, Any]) -> None:
        found: dict[str, Any]
        try:
            if "revoke" in command:
                found = {"revoked": TOKENS.pop(command["revoke"])}
            elif "state" in command:
                with connection.cursor() as cursor:
                    found = await asyncio.to_thread(state, cursor, writer)
            else:
                options = {key: command[key] for key in ("max_rows", "timeout_s") if key in command}
                if "form" in command:
                    file = await door.run_file(command["sql"], command["form"], actor="carol", **options)
                    found = {**dataclasses.asdict(file), "content": base64.b64encode(file.content).decode()}
                else:
                    found = dataclasses.asdict(await door.run(command["sql"], actor="carol", **options))
        except SqlError as error:
            found = {"error": type(error).__name__, "message": str(error), "position": error.position}
        say({"id": command["id"], **found})

    lines = await _lines()
    tasks: set[asyncio.Task[None]] = set()
    while line := await lines.readline():
        task = asyncio.create_task(answer(json.loads(line)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await door.close()
    writer.stop()


async def _lines() -> asyncio.StreamReader:
    reader = asyncio.StreamReader(limit=1 << 22)
    make: Callable[[], asyncio.StreamReaderProtocol] = lambda: asyncio.StreamReaderProtocol(reader)  # noqa: E731
    await asyncio.get_running_loop().connect_read_pipe(make, sys.stdin)
    return reader


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), SqlLimits(**json.loads(sys.argv[3]))))
