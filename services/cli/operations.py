"""The commands for ops and analysts: replay, verify, sql."""

import asyncio
import base64
import sys
from typing import Annotated, Any

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from contracts.errors import TipstreamError
from contracts.events.admin import ReplayRequested
from contracts.times import EARLIEST_US, format_time, parse_time
from projections.replay import EVERY_PROJECTION, Plan, last_seq_of, plan_replay, progress_subject
from projections.statement import ask_sql
from services.bootstrap import load_signer
from services.bus.jetstream import JetStreamBus
from services.cli import panels
from services.cli.output import visible
from services.cli.rows import show_rows
from services.cli.watching import listening
from services.publishing import EventPublisher, new_id
from services.settings import Settings

CONNECT_S = 5.0
SOURCE = "/tipstream/cli"

Projections = Annotated[
    list[str] | None,
    typer.Option("--projection", help="sqlite, analytics, query or scorer; again for more; default all."),
]
User = Annotated[str | None, typer.Option("--user", help="Only what concerns this person.")]


class BadOption(TipstreamError):
    """An option of the command line cannot be understood; the message says which and how to write it."""


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    for command in (replay, verify):
        app.command(rich_help_panel=panels.LOG)(command)
    app.command(rich_help_panel=panels.QUESTIONS)(sql)


def replay(
    projection: Projections = None,
    user: User = None,
    upto_seq: Annotated[int | None, typer.Option(help="Fold up to this sequence (as it was).", min=1)] = None,
    upto_time: Annotated[str | None, typer.Option(help="Fold up to this RFC 3339 time (as it was).")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be touched, and touch nothing.")] = False,
    back: Annotated[bool, typer.Option("--back", help="Switch back to the version before the last switch.")] = False,
    actor: Annotated[str, typer.Option(help="Whose name the request is signed in.")] = "cli",
) -> None:
    """Fold the log again beside the live projections, compare digests, switch; shows progress."""
    if back and (user, upto_seq, upto_time) != (None, None, None):
        raise BadOption("--back only takes --projection: it undoes the last switch, whatever that was of")
    moment = _time(upto_time)
    try:
        request = ReplayRequested(
            replay_id=new_id(),
            mode="back" if back else "rebuild",
            projections=_projections(projection),
            user_id=user,
            upto_seq=upto_seq,
            upto_time=moment,
        )
    except ValidationError as error:
        raise BadOption(_explain(error)) from None

    async def run() -> dict[str, Any] | Plan:
        settings = Settings()
        bus = await JetStreamBus.connect(settings.bus_url, name="tipstream replay", timeout=CONNECT_S)
        try:
            if dry_run:
                return await plan_replay(bus, request)
            await last_seq_of(bus, request)
            return await _watch(bus, settings, request, actor)
        finally:
            await bus.close()

    outcome = asyncio.run(run())
    if isinstance(outcome, Plan):
        for line in outcome.lines():
            print(line)
        return
    for result in outcome["results"]:
        print(_result_line(result))
    full = "" if outcome["full"] else " (not a full replay: the log does not hold everything)"
    print(f"{outcome['outcome']}: {outcome['events']:,} events in {outcome['duration_us'] / 1e6:.1f} s{full}")
    if outcome["detail"]:
        print(outcome["detail"])
    if outcome["outcome"] != "done":
        raise typer.Exit(1)


def _projections(chosen: list[str] | None) -> list[Any]:
    unknown = sorted(set(chosen or ()) - set(EVERY_PROJECTION))
    if unknown:
        raise BadOption(f"--projection {unknown[0]!r} is none of {', '.join(EVERY_PROJECTION)}")
    return list(dict.fromkeys(chosen or EVERY_PROJECTION))


def _explain(error: ValidationError) -> str:
    """Which option is wrong and why; a fault of the whole names the options itself."""
    first = error.errors()[0]
    options = {"user_id": "--user", "upto_seq": "--upto-seq", "upto_time": "--upto-time"}
    option = options.get(str(first["loc"][0]) if first["loc"] else "", "")
    return f"{option} {first['msg'].removeprefix('Value error, ')}".strip()


def _time(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        moment = parse_time(text)
    except ValueError as error:
        raise BadOption(f"--upto-time {error}") from None
    if moment < EARLIEST_US:
        raise BadOption(f"--upto-time {text}: no log goes back before {format_time(EARLIEST_US)}")
    return moment


async def _watch(bus: JetStreamBus, settings: Settings, request: ReplayRequested, actor: str) -> dict[str, Any]:
    """Publish the request and show the worker's progress until it is done."""
    publisher = EventPublisher(bus, load_signer(settings), source=SOURCE)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task("waiting for the replay worker", total=None, rate="")
        async with listening(bus, progress_subject("*")) as heard:
            await publisher.publish_signed(request, actor=actor, timeout=CONNECT_S)
            while True:
                subject, told = await heard.report()
                if subject != progress_subject(request.replay_id):
                    progress.update(task, description="waiting for another replay to end")
                elif told["phase"] == "completed":
                    outcome: dict[str, Any] = told["completed"]
                    return outcome
                else:
                    done, total, rate = told["events"], told["total"], f"{told['events_per_s']:,.0f} events/s"
                    description = f"{told['projection']}: {told['phase']}"
                    progress.update(task, description=description, completed=done, total=total, rate=rate)


def _result_line(result: dict[str, Any]) -> str:
    """What became of one projection; a switch back has no digest to tell of."""
    said = [{True: "digests equal", False: "DIGESTS DIFFER", None: "nothing to compare with"}[result["equal"]]]
    if result["rebuilt_digest"]:
        said[0] += f" {result['rebuilt_digest'][:16]}"
        said.append("switched" if result["switched"] else "not switched")
    elif result["switched"]:
        said = ["switched"]
    else:
        said = ["not switched"]
    upto = f" up to {result['upto_seq']}" if result["upto_seq"] else ""
    note = f"; {result['note']}" if result["note"] else ""
    return f"{result['projection']:<10} v{result['version']}{upto}: {', '.join(said)}{note}"


def verify(
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Fold the log afresh, compare every digest with the live ones, recompute every score; exit 1 when not proven."""
    from projections.verify import Report, verify_system

    async def run() -> Report:
        settings = Settings()
        bus = await JetStreamBus.connect(settings.bus_url, name="tipstream verify", timeout=CONNECT_S)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task("folding afresh", total=None)

            def advance(done: int, total: int) -> None:
                progress.update(task, completed=done, total=total)

            try:
                return await verify_system(bus, progress=advance)
            finally:
                await bus.close()

    report = asyncio.run(run())
    if as_json:
        print(orjson.dumps(report.as_dict(), option=orjson.OPT_INDENT_2).decode())
    else:
        for line in report.lines():
            print(line)
    if not report.proven:
        raise typer.Exit(1)


def sql(
    statement: Annotated[str, typer.Argument(help="One SELECT statement.")],
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    actor: Annotated[str, typer.Option(help="Whose name the statement is logged in.")] = "cli",
) -> None:
    """Ask the query process; SELECT only, within its time and row limits."""

    async def run() -> dict[str, Any]:
        bus = await JetStreamBus.connect(Settings().bus_url, name="tipstream sql", timeout=CONNECT_S)
        try:
            return await ask_sql(bus, statement, actor=actor, form="csv" if as_csv and not as_json else "rows")
        finally:
            await bus.close()

    answer = asyncio.run(run())
    reason = answer.pop("cut")
    if as_json:
        print(visible(orjson.dumps(answer | {"truncated": reason is not None, "reason": reason}).decode()))
    elif as_csv:
        typer.echo(base64.b64decode(answer["content"]), nl=False)
        if reason:
            print(reason, file=sys.stderr)
    else:
        show_rows(Console(), answer["columns"], answer["rows"])
        cut = f" ({reason})" if reason else ""
        print(f"{len(answer['rows'])} rows in {answer['duration_us'] / 1000:.1f} ms{cut}")
