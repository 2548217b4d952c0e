"""The demo from start to end: a past is published once, then the same people live on against the running system."""

import asyncio
import contextlib
import signal

from numpy.random import PCG64, Generator, SeedSequence
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from contracts.events.admin import PolicyEnabled
from contracts.times import DAY_US, SECOND_US
from ml.policies.registry import warm_up
from services.bootstrap import ensure_stream, load_signer
from services.bus.jetstream import JetStreamBus
from services.demo.history import SOURCE, History, Plan
from services.demo.life import Life
from services.demo.past import has_past, publish_past
from services.demo.people import people as crowd_of
from services.demo.present import Present
from services.demo.reactions import Shelf
from services.http_client import http_client
from services.keys import load_secrets
from services.publishing import EventPublisher, now_us
from services.settings import Settings

ACTOR = "demo"
CONNECT_S = 30.0
RANDOM_WEIGHT = 0.1
_LIVE = 5


def run_demo(
    settings: Settings,
    *,
    people: int = 60,
    days: int = 30,
    seed: int = 7,
    history_only: bool = False,
    start_us: int | None = None,
) -> None:
    """Publish the history of `people` unless the stream has one, then let them live until SIGINT or SIGTERM.

    The history covers `days` days from `start_us` (microseconds since 1970; None: so that it ends now). Raises
    StreamChanged, BusUnavailable and what `ensure_stream` raises.
    """
    asyncio.run(_until_stopped(settings, people, days, seed, history_only, start_us))


async def _until_stopped(
    settings: Settings, people: int, days: int, seed: int, history_only: bool, start_us: int | None
) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    bus = await JetStreamBus.connect(settings.bus_url, name="tipstream demo", timeout=CONNECT_S)
    with contextlib.suppress(asyncio.CancelledError):
        try:
            console = Console()
            past = await make_past(
                bus, settings, people=people, days=days, seed=seed, start_us=start_us, console=console
            )
            if past is None:
                console.print("the stream holds a history of simulated people already; none is added")
            if not history_only:
                await live(bus, settings, people=people, seed=seed)
        finally:
            await bus.close()


async def make_past(
    bus: JetStreamBus,
    settings: Settings,
    *,
    people: int,
    days: int,
    seed: int,
    start_us: int | None = None,
    console: Console | None = None,
) -> History | None:
    """Publish the history of a crowd; None when the stream holds one already."""
    decoder = await ensure_stream(bus, settings)
    if await has_past(bus):
        return None
    await _share_with_random(bus, settings)
    if start_us is None:
        now = now_us()
        start_us = now - now % (60 * SECOND_US) - days * DAY_US
    history = History(Plan(seed, people, start_us, days), await Present.of(bus, decoder), now_us() * 1000)
    warm_up()
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=console is None) as progress:
        task = progress.add_task(f"{people} simulated people, {days} days", total=1.0)

        def show(published: int, covered: float) -> None:
            progress.update(task, completed=covered, description=f"{people} simulated people: {published:,} events")

        await publish_past(bus, history, show)
        progress.update(task, completed=1.0)
    if console is not None:
        console.print(summary(history), soft_wrap=True)
    return history


def summary(history: History) -> str:
    """Mean reward of each policy's decisions in a history, with the best possible beside it."""
    rows = []
    for policy, tally in sorted(history.tallies.items()):
        gained, best, _ = tally.means()
        rows.append(f"{policy} {gained:.3f} of {best:.3f} possible ({tally.decisions:,} decisions)")
    return "mean reward: " + ", ".join(rows)


async def live(bus: JetStreamBus, settings: Settings, *, people: int, seed: int, rate: float = 3.0) -> None:
    """Let a crowd live on `rate` times a second until cancelled."""
    present = await Present.of(bus, await ensure_stream(bus, settings), subjects=["tips.catalog.*"])
    shelf = Shelf.of(present.state.catalog.active())
    chance = Generator(PCG64(SeedSequence([seed, _LIVE, now_us()])))
    headers = {"Authorization": f"Bearer {load_secrets(settings).api_key}"}
    base_url = f"http://127.0.0.1:{settings.port}"
    async with http_client(base_url, headers=headers, timeout=10.0) as http:
        await Life(http, bus, crowd_of(seed, people), shelf, chance, rate=rate).run()


async def _share_with_random(bus: JetStreamBus, settings: Settings) -> None:
    """Give a share of people to `random`, so that there is something to compare with."""
    publisher = EventPublisher(bus, load_signer(settings), source=SOURCE)
    reason = "the demo compares policies"
    enabled = PolicyEnabled(policy="random", weight=RANDOM_WEIGHT, reason=reason)
    await publisher.publish_signed(enabled, actor=ACTOR, event_id="demo-share-with-random")
