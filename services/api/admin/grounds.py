"""All that is known of one decision, gathered: its event, the same made again from the log and anew, what followed."""

import asyncio
from dataclasses import dataclass
from typing import Any

from contracts.codec import Decoder
from contracts.envelope import Entry, Recorded
from contracts.events.person import TipScored
from ml.policies.decision import CallRefused
from ml.policies.posterior import SumsError
from ml.policies.recompute import Finding
from projections.explanation import made_today, promoted, recomputed
from services.api.admin.reports import Rows, report
from services.api.parts import Parts
from services.bootstrap import open_decoder
from services.bus.errors import BusUnavailable, RequestFailed
from services.problems import Problem

MOST_EVENTS = 20_000
"""How many of a person's events are read to make one decision again: about two seconds' worth."""


@dataclass(frozen=True, slots=True, eq=False)
class Grounds:
    """One decision: its row and event, `finding` (None: not made again) from `events` events, and what followed.

    `today` is the decision that its policy would make now, None with a `today_problem`; `shadows` are empty with a
    `shadows_problem` while the analytics process is away.
    """

    row: dict[str, Any]
    event: TipScored
    events: int
    finding: Finding | None
    today: TipScored | None
    today_problem: str
    reactions: Rows
    shadows: Rows
    shadows_problem: str
    titles: dict[str, str]
    policies: dict[str, dict[str, Any]]


async def grounds(parts: Parts, decision_id: str) -> Grounds:
    """Gather them. Raises Problem 404 for a decision that is not folded, was erased, or never was; BusUnavailable."""
    row = await asyncio.to_thread(parts.read_model.decision, decision_id)
    if row is None:
        raise Problem(404, "Not Found", "no such decision was made, or it is not folded yet", field="decision_id")
    bus = parts.link.bus
    decoder = await open_decoder(bus)
    event = _event_of(row, decoder, await bus.get(row["seq"]))
    events, tips, policies, reactions = await asyncio.to_thread(_look, parts, row)
    finding, (today, today_problem), (shadows, shadows_problem) = await asyncio.gather(
        _made_again(parts, decoder, row["seq"], event, events),
        _made_today(parts, decoder, event),
        _shadows(parts, decision_id),
    )
    return Grounds(
        row=row,
        event=event,
        events=events,
        finding=finding,
        today=today,
        today_problem=today_problem,
        reactions=reactions,
        shadows=shadows,
        shadows_problem=shadows_problem,
        titles={tip["tip_id"]: tip["title"] for tip in tips},
        policies={policy["policy"]: policy for policy in policies},
    )


def _event_of(row: dict[str, Any], decoder: Decoder, recorded: Recorded | None) -> TipScored:
    item = None if recorded is None else decoder.decode(recorded)
    if isinstance(item, Entry) and isinstance(item.event, TipScored) and item.event.decision_id == row["decision_id"]:
        return item.event
    gone = "the log no longer holds this decision: its person was erased, or the read model belongs to another log"
    raise Problem(404, "Not Found", gone, field="decision_id")


def _look(parts: Parts, row: dict[str, Any]) -> tuple[int, Rows, Rows, Rows]:
    model = parts.read_model
    events = model.told(row["user_id"], row["seq"])
    return events, model.tips(), model.policies(), model.feedback_of(row["decision_id"])


async def _made_again(parts: Parts, decoder: Decoder, seq: int, event: TipScored, events: int) -> Finding | None:
    if events > MOST_EVENTS and not event.external:
        return None
    return await recomputed(parts.link.bus, decoder, seq, event)


async def _made_today(parts: Parts, decoder: Decoder, event: TipScored) -> tuple[TipScored | None, str]:
    if event.external:
        return None, "somebody else's decision: its context is not ours to read"
    bus = parts.link.bus
    models = await promoted(bus, decoder, (await bus.info()).last_seq)
    try:
        return await asyncio.to_thread(made_today, event, parts.read_model, models), ""
    except (CallRefused, SumsError) as refusal:
        return None, str(refusal)


async def _shadows(parts: Parts, decision_id: str) -> tuple[Rows, str]:
    try:
        return await report(parts, "shadow_choices", decision_id=decision_id), ""
    except (BusUnavailable, RequestFailed) as problem:
        return [], str(problem)
