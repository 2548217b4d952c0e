"""`tipstream up`: the NATS server, the stream's first events, then every process, until Ctrl-C ends them all."""

import asyncio
import os
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from rich.console import Console

from contracts.errors import TipstreamError
from services.bootstrap import ensure_stream
from services.bus.connection import without_user
from services.bus.embedded import server_command, write_config
from services.bus.errors import BusUnavailable
from services.bus.jetstream import JetStreamBus
from services.forking.client import ForkServer
from services.forking.start import Start, forked, program
from services.keys import announce, load_secrets
from services.settings import PREFIX, Settings
from services.supervisor.children import MLFLOW, PROCESSES, Child
from services.supervisor.figures import show_figures
from services.supervisor.ports import check_ports, claim_home
from services.supervisor.room import renew_after_a_full_disk

SERVER_START_S = 60.0
NATS = "nats-server"


class ServerDown(TipstreamError):
    """The embedded NATS server was started and takes no connections; the message names its log."""


class Supervisor:
    """Everything that `tipstream up` keeps alive; `demo` adds simulated people, history first."""

    def __init__(self, settings: Settings, console: Console, *, demo: Mapping[str, str] | None) -> None:
        self._settings = settings
        self._console = console
        self._demo = demo
        self._children: list[Child] = []
        self._environment = {**os.environ, **({} if demo is None else {f"{PREFIX}DEMO": "on"})}
        self._forks = ForkServer(self._environment)
        self._stop = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Start, show figures, and end on SIGINT or SIGTERM. Raises TipstreamError when it cannot start."""
        settings = self._settings
        settings.make_home()
        with ExitStack() as held:
            held.enter_context(claim_home(settings))
            check_ports(settings)
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, self._stop.set)
            # First, since what it imports takes a while; the NATS server and the stream come up meanwhile.
            self._forks.start()
            try:
                if await self._started():
                    await show_figures(settings, self._console, self._stop)
            finally:
                await self._end()

    async def _started(self) -> bool:
        """Start everything; False when it was told to stop meanwhile."""
        starting, stopped = asyncio.create_task(self._start()), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (starting, stopped):
                task.cancel()
            await asyncio.wait({starting, stopped})
        if not starting.cancelled():
            starting.result()
        return not self._stop.is_set()

    async def _start(self) -> None:
        settings = self._settings
        if settings.embedded:
            config = write_config(settings.home, port=settings.nats_port, fsync=settings.fsync)
            server = self._keep(NATS, program(server_command(config), self._environment))
            self._watching = asyncio.create_task(
                renew_after_a_full_disk(self._log_of(NATS), config.parent, partial(self._renew, server)),
                name="watch the disk of the NATS server",
            )
        else:
            self._say(
                f"looking for the NATS server at {without_user(settings.bus_url)}, for {SERVER_START_S:g} s at most"
            )
        bus = await self._connect()
        try:
            await ensure_stream(bus, settings)
        finally:
            await bus.close()
        self._greet()
        if self._demo is not None:
            await self._simulate()
        for process in PROCESSES:
            if process == MLFLOW and settings.mlflow == "off":
                continue
            self._keep(process, forked(self._forks, [process], self._environment))
        if self._demo is not None:
            self._keep("demo", forked(self._forks, ["demo", *self._demo_options()], self._environment))

    async def _connect(self) -> JetStreamBus:
        try:
            return await JetStreamBus.connect(self._settings.bus_url, name="tipstream up", timeout=SERVER_START_S)
        except BusUnavailable as problem:
            if not self._settings.embedded:
                raise
            raise ServerDown(f"the NATS server does not come up; see {self._log_of(NATS)} ({problem})") from problem

    async def _simulate(self) -> None:
        """Run the demo's history in the foreground, so that its progress bar is seen."""
        arguments = ["demo", "--history-only", *self._demo_options()]
        process = await self._forks.fork(arguments, self._environment, (0, 1, 2))
        try:
            code = await process.wait()
        finally:
            if process.returncode is None:
                os.kill(process.pid, signal.SIGTERM)
                await process.wait()
        if code != 0:
            self._warn(f"the demo's history ended with status {code}; going on without it")

    def _demo_options(self) -> list[str]:
        return [part for name, value in (self._demo or {}).items() for part in (f"--{name}", value)]

    def _keep(self, name: str, start: Start) -> Child:
        pid_file = self._settings.run_dir / f"{name}.pid"
        child = Child(name, start, self._log_of(name), pid_file, self._warn)
        self._children.append(child)
        child.start()
        return child

    def _renew(self, server: Child) -> None:
        self._warn("the NATS server had no room to store anything, and there is some now: it is started again")
        server.renew()

    def _log_of(self, name: str) -> Path:
        return self._settings.logs_dir / f"{name}.log"

    def _warn(self, text: str) -> None:
        self._say(text, style="yellow")

    async def _end(self) -> None:
        self._say("ending every process ...")
        if self._watching is not None:
            self._watching.cancel()
        server = [child for child in self._children if child.name == NATS]
        await asyncio.gather(*(child.stop() for child in self._children if child not in server))
        for child in server:
            await child.stop()
        self._forks.close()
        self._say(f"all ended; the log and the read models are in {self._settings.home}")

    def _greet(self) -> None:
        settings = self._settings
        load_secrets(settings)
        base = f"http://{settings.host}:{settings.port}"
        tips = f"{base}/" if self._demo is not None else "by a link a person: tipstream link <user>"
        lines = [
            f"  console    {base}/admin",
            f"  tips page  {tips}",
            f"  API        {base}/docs",
            f"  health     {base}/api/health",
            f"  scorer     http://127.0.0.1:{settings.scorer_port}/health",
            f"  events     {without_user(settings.bus_url)} (or: tipstream publish, tipstream tail)",
            f"  SQL        quack:localhost:{settings.quack_port} (or: tipstream sql 'FROM policy_compare')",
            f"  logs       {settings.logs_dir}",
        ]
        generated = announce(settings)
        if generated:
            lines += [f"  Keys, shown this once and kept in {settings.secrets_dir}:"]
            lines += [f"  {name}={value}" for name, value in generated.items()]
        lines += [f"  {PREFIX}* variables change any of this; Ctrl-C ends all"]
        self._say(f"Tipstream in {settings.home}", style="bold")
        for line in lines:
            self._say(line)

    def _say(self, text: str, style: str | None = None) -> None:
        """A line as it stands, whatever is in it."""
        self._console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)
