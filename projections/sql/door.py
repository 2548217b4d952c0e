"""The SQL door: people's SELECTs on a DuckDB instance that goes on folding, from the console and over Quack.

`start` locks the whole instance: no files, no network, no further extensions, no settings, capped memory and disk.
The fold's own connection keeps writing, from tables it registers (`connection.register`); whatever it wants to set,
it sets before. Both ways run a statement alike (`statements.py`), so that a runaway is ended by the watchdog, in the
last resort with the process.
"""

import asyncio
import importlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb

from projections.sql.answers import Batches, fetch, fetch_table, write_file
from projections.sql.quack import QuackServer
from projections.sql.records import File, Form, Result, SqlDoorError, SqlLimits, StatementRecord, TokenCheck
from projections.sql.statements import Answer, Asked, Statements, Work
from projections.sql.watchdog import Running, Watchdog

EXTENSIONS = ("httpfs", "quack")  # Quack takes its random numbers from httpfs
SWEEP_SECONDS = 1.0


class SqlDoor:
    """Made over the fold's open `connection`; `on_statement` is called in the event loop's thread.

    A record of outcome "ended" comes `LAST_WORDS` seconds before the process exits: hand it on at once.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        *,
        port: int,
        token_check: TokenCheck,
        on_statement: Callable[[StatementRecord], None],
        limits: SqlLimits | None = None,
    ) -> None:
        self._limits = limits or SqlLimits()
        self._on_statement = on_statement
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watchdog = Watchdog(resident=self._limits.resident)
        self._statements = Statements(connection, watchdog=self._watchdog, limits=self._limits, report=self._report)
        self._quack = QuackServer(port=port, token_check=token_check, statements=self._statements, limits=self._limits)
        self._threads = ThreadPoolExecutor(self._limits.concurrent + 1, "sql")
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load Quack, lock the instance, listen. Raises `SqlDoorError`."""
        self._loop = asyncio.get_running_loop()
        self._watchdog.start()
        try:
            await self._loop.run_in_executor(self._threads, self._open)
        except SqlDoorError:
            self._watchdog.close()
            raise
        self._sweeper = asyncio.create_task(self._sweep(), name="sql-sweeper")

    async def run(self, sql: str, *, actor: str, max_rows: int | None = None, timeout_s: float | None = None) -> Result:
        """The answer to one SELECT, cut at `max_rows` rows. Raises `SqlRefused`, `SqlFailed`, `SqlTimedOut`.

        `max_rows` and `timeout_s` may lower the limits the door was made with, not raise them.
        """

        rows = self._rows(max_rows)

        def work(cursor: duckdb.DuckDBPyConnection, body: str, running: Running) -> tuple[Result, int]:
            result = fetch(cursor, body, rows=rows, size=self._limits.answer << 20, heed=running.heed)
            return result, len(result.rows)

        return await self._perform(sql, actor, timeout_s, work)

    async def run_file(
        self, sql: str, form: Form, *, actor: str, max_rows: int | None = None, timeout_s: float | None = None
    ) -> File:
        """The same answer as a file, written after the statement has ended."""
        rows = self._rows(max_rows)

        def work(cursor: duckdb.DuckDBPyConnection, body: str, running: Running) -> tuple[Batches, int]:
            batches = fetch_table(cursor, body, form, rows=rows, size=self._limits.answer << 20, heed=running.heed)
            return batches, batches.table.num_rows

        batches = await self._perform(sql, actor, timeout_s, work)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, write_file, batches, form)

    async def _perform(self, sql: str, actor: str, timeout_s: float | None, work: Work[Answer]) -> Answer:
        most = self._limits.seconds
        asked = Asked(sql, actor, "console", most if timeout_s is None else min(timeout_s, most))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._statements.perform, asked, work)

    def _rows(self, asked: int | None) -> int:
        return self._limits.rows if asked is None else min(asked, self._limits.rows)

    async def close(self) -> None:
        """Stop listening and interrupt what runs. The instance stays locked."""
        if self._sweeper:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, self._watchdog.close)
        await loop.run_in_executor(self._threads, self._quack.close)
        self._statements.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _report(self, record: StatementRecord) -> None:
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._on_statement, record)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await loop.run_in_executor(self._threads, self._quack.sweep)

    def _open(self) -> None:
        with self._statements.cursor() as cursor:
            try:
                for name in EXTENSIONS:
                    cursor.execute(f"LOAD '{_extension(name)}'")
                self._quack.register()
                for setting in self._settings():
                    cursor.execute(f"SET GLOBAL {setting}")
                self._quack.listen()
            except duckdb.Error as error:
                raise SqlDoorError(f"the SQL door cannot open: {error}") from error

    def _settings(self) -> list[str]:
        limits = self._limits
        return [
            f"memory_limit = '{limits.memory}MiB'",
            f"max_temp_directory_size = '{limits.spill}MiB'",
            f"threads = {limits.threads}",
            "TimeZone = 'UTC'",
            "python_enable_replacements = false",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            "allow_community_extensions = false",
            "allow_persistent_secrets = false",
            "enable_external_access = false",
            "lock_configuration = true",
        ]


def _extension(name: str) -> Path:
    try:
        package = importlib.import_module(f"duckdb_extension_{name}")
    except ImportError as error:
        raise SqlDoorError(f"the wheel duckdb-extension-{name} is not installed; pip install -e . brings it") from error
    folder = Path(str(package.__file__)).parent
    return folder / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
