"""The commands for producers: publish an event, tail the stream, import a log."""

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from contracts.envelope import Malformed, Message, Recorded
from contracts.errors import TipstreamError
from contracts.headers import CE_ID, CE_SPECVERSION, MSG_ID, SPECVERSION, to_header
from contracts.lines import json_line
from contracts.subjects import check_pattern
from services.bootstrap import open_decoder
from services.bus.jetstream import JetStreamBus
from services.cli import panels
from services.cli.output import visible
from services.publishing import conflict, new_id, now_us
from services.settings import Settings

CONNECT_S = 5.0
PUBLISH_S = 10.0


class Format(StrEnum):
    """What `tipstream import` reads."""

    OBD = "obd"
    JSONL = "jsonl"


class BadEvent(TipstreamError):
    """The event given on the command line would only become a dead letter; nothing was published."""


class IdTaken(TipstreamError):
    """The id given on the command line is another event's; nothing was stored, choose a new one."""


def add_to(app: typer.Typer) -> None:
    """Register the commands of this module."""
    app.command(rich_help_panel=panels.EVENTS)(publish)
    app.command(rich_help_panel=panels.EVENTS)(tail)
    app.command("import", rich_help_panel=panels.EVENTS)(import_)


def publish(
    subject: Annotated[str, typer.Argument(help="Such as tips.feedback.helpful.ann.")],
    body: Annotated[str, typer.Argument(help="A JSON object; - reads it from standard input.")] = "{}",
    event_id: Annotated[str | None, typer.Option("--id", help="The event's id; the same id counts once.")] = None,
) -> None:
    """Publish one event and print its id and sequence; what would become a dead letter is refused with the reason."""
    data = sys.stdin.buffer.read() if body == "-" else body.encode()
    identity = to_header(event_id or _own_id(data) or new_id())
    message = Message(subject, {CE_ID: identity, CE_SPECVERSION: SPECVERSION, MSG_ID: identity}, data)

    async def run() -> None:
        bus = await JetStreamBus.connect(Settings().bus_url, name="tipstream publish", timeout=CONNECT_S)
        try:
            decoder, info = await open_decoder(bus), await bus.info()
            trial = Recorded(info.last_seq + 1, now_us() * 1000, subject, message.headers, data)
            if isinstance(found := decoder.decode(trial), Malformed):
                raise BadEvent(f"not published, it would be a dead letter ({found.reason}): {found.detail}")
            ack = await bus.publish(message, timeout=PUBLISH_S)
            first = await bus.get(ack.seq) if ack.duplicate else None
        finally:
            await bus.close()
        if first is not None and (why := conflict(first, subject, found.event)) is not None:
            raise IdTaken(f"the id {found.event_id!r:.100} {why}")
        print(orjson.dumps({"event_id": found.event_id, "seq": ack.seq, "duplicate": ack.duplicate}).decode())

    asyncio.run(run())


def _own_id(data: bytes) -> str | None:
    """The id that a body brings along; what else is wrong with it the decoder says."""
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    said = found.get("event_id") if isinstance(found, dict) else None
    return said if isinstance(said, str) else None


def tail(
    pattern: Annotated[str, typer.Argument(help="A subject pattern with NATS wildcards.")] = "tips.>",
    last: Annotated[int, typer.Option(help="Begin this many messages back, of whatever subject.", min=0)] = 0,
    follow: Annotated[bool, typer.Option(help="Go on with what comes; --no-follow ends at the last event.")] = True,
) -> None:
    """Print the events of the stream as they come, one JSON line each (seq, recorded, subject, headers, body)."""
    check_pattern(pattern)

    async def run() -> None:
        bus = await JetStreamBus.connect(Settings().bus_url, name="tipstream tail", timeout=CONNECT_S)
        try:
            end = (await bus.info()).last_seq
            reading = bus.read(max(0, end - last), upto=None if follow else end, subjects=[pattern])
            async for batch in reading:
                for recorded in batch:
                    print(visible(json_line(recorded).decode()), flush=True)
        finally:
            await bus.close()

    try:
        asyncio.run(run())
    except (KeyboardInterrupt, BrokenPipeError):
        sys.stderr.close()


def import_(
    path: Annotated[Path, typer.Argument(exists=True, help="A folder or file of the format.")],
    kind: Annotated[Format, typer.Option("--format", help="obd: Open Bandit Dataset; jsonl: CloudEvents, one a line.")],
) -> None:
    """Import somebody else's log: external decisions and reactions, each counted once however often it is run."""
    from services.importing.jsonl import import_jsonl
    from services.importing.obd import import_obd

    async def run() -> int:
        bus = await JetStreamBus.connect(Settings().bus_url, name="tipstream import", timeout=CONNECT_S)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task(f"importing {path.name}", total=None)

            def advance(done: int, total: int) -> None:
                progress.update(task, completed=done, total=total)

            try:
                read = import_obd if kind is Format.OBD else import_jsonl
                report = await read(bus, path, progress=advance)
            finally:
                await bus.close()
        print(visible(report.summary()))
        return report.refused

    if asyncio.run(run()):
        raise typer.Exit(1)
