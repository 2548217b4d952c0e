"""The worker processes on a real nats-server, as `tipstream up` starts them, with a hand on each."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import orjson

from contracts.envelope import Message
from projections.folds.tables import Store
from projections.sinks.memory import MemorySink
from services.bus.errors import BusUnavailable
from services.bus.jetstream import JetStreamBus
from services.settings import Settings
from tests.folds.log import Log
from tests.processes import TipstreamProcess
from tests.projections.listed import folded
from tests.servers import NatsServer, free_port

COMMANDS = {"sqlite": "projector", "analytics": "analytics", "query": "query"}
STORES: dict[str, Store] = {"sqlite": "sqlite", "analytics": "duckdb", "query": "duckdb"}
START_LIMIT_S = 90.0  # a process that starts beside many others on two cores
API_KEY, PASSWORD = "api-key-of-tests", "admin-password-of-tests"


class Worker:
    """One worker process; it can be killed and started again."""

    def __init__(self, projection: str, server: NatsServer, bus: JetStreamBus) -> None:
        self.projection, self._bus = projection, bus
        self.settings = settings_of(server)
        self._log = server.home / f"{projection}.log"
        self._process: TipstreamProcess | None = None

    def start(self) -> None:
        """Start the process; it answers a moment later."""
        settings = self.settings
        environment = {
            **os.environ,
            "TIPSTREAM_HOME": str(settings.home),
            "TIPSTREAM_NATS_URL": settings.bus_url,
            "TIPSTREAM_QUACK_PORT": str(settings.quack_port),
            "TIPSTREAM_API_KEY": API_KEY,
            "TIPSTREAM_ADMIN_PASSWORD": PASSWORD,
        }
        with self._log.open("ab") as log:
            self._process = TipstreamProcess(COMMANDS[self.projection], environment=environment, output=log)

    def kill(self) -> None:
        """SIGKILL, as a crash."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM, as an operator; its exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(30)

    async def ended(self) -> int:
        """Wait until it ends by itself; its exit status."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, 30)

    async def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """Its answer to a control request, once it answers."""
        question = orjson.dumps({"op": op, **fields})
        deadline = asyncio.get_running_loop().time() + START_LIMIT_S
        while True:
            try:
                answer: dict[str, Any] = orjson.loads(
                    await self._bus.request(f"tipstream.ctl.{self.projection}", question, 20)
                )
            except BusUnavailable:
                assert self._process is not None
                assert self._process.poll() is None, self.said()
                assert asyncio.get_running_loop().time() < deadline, self.said()
                await asyncio.sleep(0.05)
            else:
                return answer

    async def past(self, seq: int) -> None:
        """Return once it has folded `seq`."""
        deadline = asyncio.get_running_loop().time() + 60
        while (await self.ask("status"))["seq"] < seq:
            assert asyncio.get_running_loop().time() < deadline, self.said()
            await asyncio.sleep(0.02)

    async def reach(self, seq: int) -> dict[str, Any]:
        """Its digest once it has folded `seq`."""
        await self.past(seq)
        return await self.ask("digest")

    def said(self) -> str:
        """The end of its log."""
        return self._log.read_text()[-3000:] if self._log.exists() else ""

    def close(self) -> None:
        """Make sure that it is gone."""
        if self._process is not None and self._process.poll() is None:
            self.kill()


def settings_of(server: NatsServer) -> Settings:
    """The settings of a worker on this server."""
    return Settings(
        home=server.home, nats_url=server.url, quack_port=free_port(), api_key=API_KEY, admin_password=PASSWORD
    )


async def publish(bus: JetStreamBus, log: Log, *, since: int = 0, upto: int | None = None) -> int:
    """Publish what a log holds after `since` up to `upto`, in order; the last sequence."""
    records = log.records[since:upto]
    messages = [Message(record.subject, dict(record.headers), record.data) for record in records]
    return await bus.publish_batch(messages)


async def fresh(bus: JetStreamBus, projection: str, upto: int) -> dict[str, str]:
    """The digests of a fold of the stream in memory, up to a sequence."""
    sink = MemorySink(STORES[projection])
    await folded(bus, sink, upto=upto)
    return sink.digests()


def files(home: Path) -> list[str]:
    """What lies in the read models' folder."""
    return sorted(path.name for path in (home / "read_models").iterdir())
