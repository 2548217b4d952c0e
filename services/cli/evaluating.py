"""`tipstream evaluate`: what a policy would have earned, from the log that other policies made."""

import asyncio
import re
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from contracts.times import SECOND_US
from services.bus.jetstream import JetStreamBus
from services.cli import panels
from services.cli.operations import CONNECT_S, BadOption
from services.settings import Settings

if TYPE_CHECKING:
    from projections.off_policy.walk import Span

LONGEST_DAYS = 3660


def add_to(app: typer.Typer) -> None:
    """Register the command of this module."""
    app.command(rich_help_panel=panels.QUESTIONS)(evaluate)


def evaluate(
    policy: Annotated[str, typer.Option(help="One of ours, or one whose decisions were imported (obd_bts).")],
    params: Annotated[
        list[str] | None,
        typer.Option(help="Such as alpha=0.3, again for more; as the policy stands when left out."),
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(
            help="30d for the last days, or 2026-01-01..2026-01-31, both within, one may be left out; default all."
        ),
    ] = None,
    young: Annotated[
        bool, typer.Option("--young", help="Also decisions younger than 24 h, whose reaction may still come.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Say what a policy would have earned a decision, with 95 % intervals; exit 1 when the log cannot answer."""
    # Scoring takes half a second to import, which no other command should wait for.
    from projections.off_policy.report import Question, Report, evaluate_policy, numbers_of

    question = Question(policy, numbers_of(params) if params else None, _span(window, young))

    async def run() -> Report:
        bus = await JetStreamBus.connect(Settings().bus_url, name="tipstream evaluate", timeout=CONNECT_S)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        progress = Progress(*columns, console=Console(stderr=True))
        task = progress.add_task("walking over the log", total=None)

        def advance(done: int, total: int) -> None:
            # Shown from the first step on, so that a question that cannot be asked is answered by one line.
            progress.start()
            progress.update(task, completed=done, total=total)

        try:
            return await evaluate_policy(bus, question, progress=advance)
        finally:
            if progress.live.is_started:
                progress.stop()
            await bus.close()

    report = asyncio.run(run())
    if as_json:
        print(orjson.dumps(report.as_dict(), option=orjson.OPT_INDENT_2).decode())
    else:
        for line in report.lines():
            print(line)
    if report.evaluation.refusal:
        raise typer.Exit(1)


def _span(window: str | None, young: bool) -> "Span":
    from projections.off_policy.walk import Span

    if window is None:
        return Span(young=young)
    if re.fullmatch(r"\d{1,5}d", window) and 1 <= int(window[:-1]) <= LONGEST_DAYS:
        return Span(_start(datetime.now(UTC).date() - timedelta(days=int(window[:-1]) - 1)), None, young)
    first, dots, last = window.partition("..")
    try:
        since, until = (date.fromisoformat(day) if day else None for day in (first, last))
    except ValueError:
        since = until = None
    if not dots or not (since or until) or (since and until and until < since) or until == date.max:
        raise BadOption(
            f"--window {window!r:.80} must be a number of days such as 30d (at most {LONGEST_DAYS}d), or a first and a "
            "last day such as 2026-01-01..2026-01-31, of which one may be left out"
        )
    return Span(
        None if since is None else _start(since), None if until is None else _start(until + timedelta(days=1)), young
    )


def _start(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp()) * SECOND_US
