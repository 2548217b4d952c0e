"""`tipstream erase`: says what would go, asks, and watches the worker until nothing is left."""

import asyncio
import sys
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from contracts.codec import describe
from contracts.errors import TipstreamError
from contracts.events.admin import UserErasureRequested
from projections.erasure import Plan, erasure_subject, plan_erasure
from services.bootstrap import load_signer
from services.bus.jetstream import JetStreamBus
from services.cli import panels
from services.cli.watching import listening
from services.publishing import EventPublisher, new_id
from services.settings import Settings

CONNECT_S = 5.0
SOURCE = "/tipstream/cli"


class NotErased(TipstreamError):
    """Nothing was published: nobody to erase, or no confirmation; the message says which."""


def add_to(app: typer.Typer) -> None:
    """Register the command of this module."""
    app.command(rich_help_panel=panels.LOG)(erase)


def erase(
    user: Annotated[str, typer.Argument(help="The id of the person.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and touch nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask to type the id again.")] = False,
    reason: Annotated[str | None, typer.Option(help="Why; it goes with the request.")] = None,
    actor: Annotated[str, typer.Option(help="Whose name the request and its receipt are signed in.")] = "cli",
) -> None:
    """Erase a person from the log and all that was made of it, and un-learn what was learned of them; for ever."""
    try:
        event = UserErasureRequested(user_id=user, reason=reason)
    except ValidationError as error:
        raise NotErased(describe(error)) from None
    settings = Settings()

    async def run() -> dict[str, Any] | None:
        bus = await JetStreamBus.connect(settings.bus_url, name="tipstream erase", timeout=CONNECT_S)
        try:
            plan = await plan_erasure(bus, user)
            if dry_run or not plan.total:
                _show(plan)
                return None
            if not yes:
                _show(plan)
                await asyncio.to_thread(_confirm, user)
            publisher = EventPublisher(bus, load_signer(settings), source=SOURCE)
            return await _watch(bus, publisher, event, actor)
        finally:
            await bus.close()

    outcome = asyncio.run(run())
    if outcome is not None:
        print(f"erased {outcome['events']:,} events in {outcome['seconds']:.1f} s; every read model was folded anew")


def _show(plan: Plan) -> None:
    for line in plan.lines():
        print(line)
    if not plan.total:
        raise NotErased("the log holds no event about a person of that id")


def _confirm(user: str) -> None:
    if not sys.stdin.isatty():
        raise NotErased("nothing was erased: give --yes, there is no terminal to ask on")
    if input("There is no way back. Type the id again: ") != user:
        raise NotErased("nothing was erased: that is another id")


async def _watch(
    bus: JetStreamBus, publisher: EventPublisher, event: UserErasureRequested, actor: str
) -> dict[str, Any]:
    """Publish the request and show the worker's progress until it is done."""
    erasure_id = new_id()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("waiting for the worker", total=None)
        async with listening(bus, erasure_subject(erasure_id)) as heard:
            await publisher.publish_signed(event, actor=actor, event_id=erasure_id, timeout=CONNECT_S)
            while True:
                _, told = await heard.report()
                if told["phase"] == "completed":
                    return told
                description = f"{told['projection']}: {told['phase']}".removeprefix(": ")
                progress.update(task, description=description, completed=told["events"], total=told["total"] or None)
