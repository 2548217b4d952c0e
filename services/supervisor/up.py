"""`tipstream up`: the NATS server, the stream's first events, then every process, until Ctrl-C ends them all."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack

from rich.console import Console

from services.bootstrap import ensure_stream
from services.bus.embedded import server_command, write_config
from services.bus.jetstream import JetStreamBus
from services.keys import announce, load_secrets
from services.settings import PREFIX, Settings
from services.supervisor.children import PROCESSES, Child, command_of
from services.supervisor.figures import show_figures
from services.supervisor.ports import check_ports, claim_home

SERVER_START_S = 60.0


class Supervisor:
    """Everything that `tipstream up` keeps alive; `demo` adds simulated people, history first."""

    def __init__(self, settings: Settings, console: Console, *, demo: Mapping[str, str] | None) -> None:
        self._settings = settings
        self._console = console
        self._demo = demo
        self._children: list[Child] = []
        self._stop = asyncio.Event()

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
            try:
                await self._start()
                await show_figures(settings, self._console, self._stop)
            finally:
                await self._end()

    async def _start(self) -> None:
        settings = self._settings
        if settings.embedded:
            config = write_config(settings.home, port=settings.nats_port, fsync=settings.fsync)
            self._keep("nats-server", server_command(config))
        bus = await JetStreamBus.connect(settings.bus_url, name="tipstream up", timeout=SERVER_START_S)
        try:
            await ensure_stream(bus, settings)
        finally:
            await bus.close()
        self._greet()
        if self._demo is not None:
            await self._simulate(["demo", "--history-only"])
        for process in PROCESSES:
            self._keep(process, command_of(process))
        if self._demo is not None and not self._stop.is_set():
            self._keep("demo", [*command_of("demo"), *self._demo_options()])

    async def _simulate(self, arguments: list[str]) -> None:
        """Run the demo's history in the foreground, so that its progress bar is seen."""
        argv = [sys.executable, "-m", "services.cli", *arguments, *self._demo_options()]
        process = await asyncio.create_subprocess_exec(*argv, env=self._environment())
        stopped = asyncio.create_task(self._stop.wait())
        done = asyncio.create_task(process.wait())
        await asyncio.wait({stopped, done}, return_when=asyncio.FIRST_COMPLETED)
        if not done.done():
            process.terminate()
        stopped.cancel()
        code = await done
        if code != 0 and not self._stop.is_set():
            self._warn(f"the demo's history ended with status {code}; going on without it")

    def _demo_options(self) -> list[str]:
        return [part for name, value in (self._demo or {}).items() for part in (f"--{name}", value)]

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONUNBUFFERED": "1"}

    def _keep(self, name: str, argv: list[str]) -> None:
        log, pid_file = self._settings.logs_dir / f"{name}.log", self._settings.run_dir / f"{name}.pid"
        child = Child(name, argv, log, pid_file, self._environment(), self._warn)
        self._children.append(child)
        child.start()

    def _warn(self, text: str) -> None:
        self._console.print(f"[yellow]{text}[/yellow]")

    async def _end(self) -> None:
        self._console.print("ending every process ...")
        server = [child for child in self._children if child.name == "nats-server"]
        await asyncio.gather(*(child.stop() for child in self._children if child not in server))
        for child in server:
            await child.stop()
        self._console.print("all ended; the log and the read models are in " + str(self._settings.home))

    def _greet(self) -> None:
        settings, show = self._settings, self._console.print
        load_secrets(settings)
        base = f"http://{settings.host}:{settings.port}"
        show(f"[bold]Tipstream[/bold] in {settings.home}", highlight=False)
        show(f"  API        {base}/docs   health {base}/api/health", highlight=False)
        show(f"  scorer     http://127.0.0.1:{settings.scorer_port}/health", highlight=False)
        show(f"  SQL        ATTACH 'quack:localhost:{settings.quack_port}' AS tips (TOKEN '...')", highlight=False)
        show(f"  events     {settings.bus_url}   publish and tail: tipstream publish, tipstream tail", highlight=False)
        for name, value in announce(settings).items():
            show(f"  {name}={value}   [dim](shown once; kept in {settings.secrets_dir})[/dim]", highlight=False)
        show(f"  settings are {PREFIX}* variables; logs in {settings.logs_dir}; Ctrl-C ends all", highlight=False)
