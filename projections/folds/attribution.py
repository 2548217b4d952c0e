"""Which decision a reaction belongs to: the join of feedback and decisions that every other fold builds on.

Feedback that names a decision waits for it up to 7 days of stream time; feedback that names none joins the person's
latest decision of the last 24 h. A decision stays open for 30 days of stream time; what is older is forgotten here
(the tables keep it), so memory is bounded by a month of decisions. A repeated event changes nothing.
"""

import hashlib
from array import array
from collections import OrderedDict
from dataclasses import dataclass, field

from contracts import reasons
from contracts.envelope import Entry, Malformed, Recorded
from contracts.events.admin import UserErased, UserErasureRequested
from contracts.events.person import FeedbackReceived, TipScored
from contracts.feature_sets import DIMENSIONS
from contracts.rewards import OUTCOMES, VERDICTS, reward
from contracts.times import DAY_US, format_time

JOIN_WINDOW_US = DAY_US
WAIT_WINDOW_US = 7 * DAY_US
OPEN_WINDOW_US = 30 * DAY_US
REPEAT_WINDOW_US = DAY_US
LARGEST_X = 1e6


@dataclass(slots=True)
class Decision:
    """An open decision: what was shown to whom, its x (float64 bytes, empty when external) and its reactions.

    `reactions` are `action:event_id`, in order of arrival. `pulled` is the number that its pull has among
    the person's, set by `learn`; 0 until the sums hold it.
    """

    decision_id: str
    event_id: str
    seq: int
    recorded_us: int
    user_id: str
    tip_id: str
    feature_set: str
    external: bool
    x: bytes
    verdict: str | None = None
    outcome: str | None = None
    reactions: list[str] = field(default_factory=list)
    pulled: int = 0

    @property
    def reward(self) -> float:
        return reward(self.verdict, self.outcome)


@dataclass(slots=True)
class Feedback:
    """One feedback event as the join sees it; `raw_*` lets a dead letter keep the bytes."""

    seq: int
    recorded_us: int
    occurred_us: int
    event_id: str
    user_id: str
    action: str
    decision_id: str | None
    tip_id: str | None
    raw: Recorded


@dataclass(slots=True)
class Join:
    """Feedback that found its decision: the decision's `reward` after it, and the `delta` that it changed or learned.

    `learn` sets `status` and `effect`.
    """

    feedback: Feedback
    decision: Decision
    reward: float
    delta: float
    status: str = "attributed"
    effect: str = "none"


@dataclass(slots=True)
class Step:
    """What one message of the stream means, worked out once for all folds.

    `entry` is None when the message itself counts for nothing: a dead letter or a repeat.
    """

    seq: int
    recorded_us: int
    entry: Entry | None = None
    decision: Decision | None = None
    joins: list[Join] = field(default_factory=list)
    waiting: Feedback | None = None
    unattributed: Feedback | None = None
    dead: list[Malformed] = field(default_factory=list)
    given_up: list[Feedback] = field(default_factory=list)


@dataclass(slots=True)
class AttributionState:
    """Open decisions by id, each person's open decisions in order, waiting feedback by sequence, recent events.

    `reacted` are the hashes of the reactions to open decisions; `awaited` the sequences waiting for a decision id, in
    order; `seen` maps an event's hash to when it last came, `commands` a signed event's to its sequence, for ever.
    `erasing` are the erasures without a receipt by id: the person's mark and the request's sequence; `erased` the ids
    of those that have one.
    """

    decisions: dict[str, Decision] = field(default_factory=OrderedDict)
    recent: dict[str, list[str]] = field(default_factory=dict)
    reacted: dict[bytes, None] = field(default_factory=dict)
    waiting: dict[int, Feedback] = field(default_factory=OrderedDict)
    awaited: dict[str, list[int]] = field(default_factory=dict)
    seen: dict[bytes, int] = field(default_factory=OrderedDict)
    commands: dict[bytes, int] = field(default_factory=dict)
    erasing: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    erased: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # These are queues too. The head of a plain dict is found by walking over all that was ever taken from it, so
        # a state that comes out of a snapshot gets its ordered dicts back.
        self.decisions = OrderedDict(self.decisions)
        self.waiting = OrderedDict(self.waiting)
        self.seen = OrderedDict(self.seen)


def attribute(state: AttributionState, item: Entry | Malformed) -> Step:
    """Fold one message into `state` (which is consumed) and say what it means."""
    step = Step(item.seq, item.recorded_us)
    _forget(state, step)
    if isinstance(item, Malformed):
        step.dead.append(item)
        return step
    event = item.event
    if isinstance(event, TipScored):
        _decide(state, step, item, event)
        return step
    if isinstance(event, UserErasureRequested):
        _begin_erasure(state, step, item, event)
        return step
    if _repeated(state, item):
        return step
    step.entry = item
    if isinstance(event, FeedbackReceived):
        _react(state, step, item, event)
    elif isinstance(event, UserErased):
        state.erasing.pop(event.erasure_id, None)
        state.erased[event.erasure_id] = None
    return step


def forget(state: AttributionState, user_id: str) -> None:
    """Drop all that is known of a person, as if nothing of theirs had ever come."""
    for decision_id in state.recent.pop(user_id, ()):
        _forget_reactions(state, state.decisions.pop(decision_id))
    for feedback in [one for one in state.waiting.values() if one.user_id == user_id]:
        del state.waiting[feedback.seq]
        _stop_waiting(state, feedback)
    mark = _mark(user_id)
    for hashes in (state.seen, state.commands):
        for identity in [one for one in hashes if one.startswith(mark)]:
            del hashes[identity]


def _begin_erasure(state: AttributionState, step: Step, entry: Entry, event: UserErasureRequested) -> None:
    # A copy, published again, must not take what has come since; `commands` would not know the original any more.
    if entry.event_id not in state.erasing and entry.event_id not in state.erased:
        state.erasing[entry.event_id] = (_mark(event.user_id), entry.seq)
        step.entry = entry


def _is_stale(state: AttributionState, event: TipScored) -> bool:
    """Whether a decision was made from what an erasure has taken since; it goes with the rest, and counts for nothing.

    One that arrives after the receipt cannot be: the scorer has let go of them before.
    """
    if event.external or not state.erasing:
        return False
    mark = _mark(event.user_id)
    return any(mark == whose and event.model_seq < seq for whose, seq in state.erasing.values())


def _mark(user_id: str | None) -> bytes:
    """What begins the hash of each event about a person."""
    return b"" if user_id is None else hashlib.blake2b(user_id.encode(), digest_size=8).digest()


def _repeated(state: AttributionState, entry: Entry) -> bool:
    """Whether the event was folded before; remembers it."""
    name = f"{entry.raw.subject}\0{entry.event_id}".encode()
    identity = _mark(entry.event.person()) + hashlib.blake2b(name, digest_size=16).digest()
    if entry.event.SIGNED:
        # For ever: a copy of a signed message is signed too, and a reset must not be played back years later.
        return state.commands.setdefault(identity, entry.seq) != entry.seq
    repeated = state.seen.pop(identity, None) is not None
    # Put back at the end: a message that is sent again and again stays a repeat.
    state.seen[identity] = entry.recorded_us
    return repeated


def _decide(state: AttributionState, step: Step, entry: Entry, event: TipScored) -> None:
    if _is_stale(state, event):
        return
    known = state.decisions.get(event.decision_id)
    if known is not None:
        if (known.event_id, known.user_id) != (entry.event_id, event.user_id):
            detail = f"decision_id {event.decision_id!r:.100} is held by the event at {known.seq}"
            step.dead.append(_dead(entry.raw, reasons.DUPLICATE_DECISION, detail))
        return
    if not event.external and DIMENSIONS.get(event.feature_set) != len(event.x):
        detail = f"{event.feature_set} has {DIMENSIONS.get(event.feature_set)} features, x has {len(event.x)}"
        step.dead.append(_dead(entry.raw, reasons.WRONG_FEATURES, detail))
        return
    if not event.external and not -LARGEST_X <= min(event.x) <= max(event.x) <= LARGEST_X:
        detail = f"x goes from {min(event.x):g} to {max(event.x):g}, beyond {LARGEST_X:g}"
        step.dead.append(_dead(entry.raw, reasons.WRONG_FEATURES, detail))
        return
    decision = Decision(
        decision_id=event.decision_id, event_id=entry.event_id, seq=entry.seq, recorded_us=entry.recorded_us,
        user_id=event.user_id, tip_id=event.tip_id, feature_set=event.feature_set, external=event.external,
        x=b"" if event.external else array("d", event.x).tobytes(),
    )  # fmt: skip
    state.decisions[decision.decision_id] = decision
    state.recent.setdefault(decision.user_id, []).append(decision.decision_id)
    step.entry, step.decision = entry, decision
    for seq in state.awaited.pop(decision.decision_id, ()):
        _join(state, step, state.waiting.pop(seq), decision)


def _react(state: AttributionState, step: Step, entry: Entry, event: FeedbackReceived) -> None:
    feedback = Feedback(
        seq=entry.seq, recorded_us=entry.recorded_us, occurred_us=entry.occurred_us, event_id=entry.event_id,
        user_id=event.user_id, action=event.action, decision_id=event.decision_id, tip_id=event.tip_id, raw=entry.raw,
    )  # fmt: skip
    if event.decision_id is None:
        # It may be a reaction already, and come again when `seen` has forgotten it.
        if _reaction(feedback.user_id, _identity(feedback)) in state.reacted:
            _give_up(step, feedback)
        elif (latest := _latest(state, feedback)) is None:
            step.unattributed = feedback
        else:
            _join(state, step, feedback, latest)
    elif event.decision_id in state.decisions:
        _join(state, step, feedback, state.decisions[event.decision_id])
    else:
        state.waiting[feedback.seq] = feedback
        state.awaited.setdefault(event.decision_id, []).append(feedback.seq)
        step.waiting = feedback


def _latest(state: AttributionState, feedback: Feedback) -> Decision | None:
    """The person's latest decision (of that tip, if the feedback names one) within 24 h of stream time."""
    for decision_id in reversed(state.recent.get(feedback.user_id, ())):
        decision = state.decisions[decision_id]
        if feedback.recorded_us - decision.recorded_us > JOIN_WINDOW_US:
            return None
        if feedback.tip_id is None or feedback.tip_id == decision.tip_id:
            return decision
    return None


def _identity(feedback: Feedback) -> str:
    return f"{feedback.action}:{feedback.event_id}"


def _reaction(user_id: str, identity: str) -> bytes:
    return hashlib.blake2b(f"{user_id}\0{identity}".encode(), digest_size=16).digest()


def _forget_reactions(state: AttributionState, decision: Decision) -> None:
    for identity in decision.reactions:
        state.reacted.pop(_reaction(decision.user_id, identity), None)


def _join(state: AttributionState, step: Step, feedback: Feedback, decision: Decision) -> None:
    if decision.user_id != feedback.user_id:
        detail = f"decision {decision.decision_id!r:.100} is another person's"
        step.dead.append(_dead(feedback.raw, reasons.OTHER_PERSON, detail))
        _give_up(step, feedback)
        return
    before = decision.reward
    if feedback.tip_id is not None and feedback.tip_id != decision.tip_id:
        # A reaction to one of the alternatives: it says nothing about the tip that the decision chose.
        step.joins.append(Join(feedback, decision, before, delta=0.0, status="unattributed"))
        return
    identity = _identity(feedback)
    if identity in decision.reactions:
        _give_up(step, feedback)
        return
    decision.reactions.append(identity)
    state.reacted[_reaction(decision.user_id, identity)] = None
    if feedback.action in VERDICTS:
        decision.verdict = feedback.action
    elif feedback.action in OUTCOMES:
        decision.outcome = feedback.action
    after = decision.reward
    step.joins.append(Join(feedback, decision, after, delta=after - before))


def _give_up(step: Step, feedback: Feedback) -> None:
    """Feedback that turns out not to count: what waited goes again, what this very step brought never was stored."""
    if feedback.seq == step.seq:
        step.entry = None
    else:
        step.given_up.append(feedback)


def _forget(state: AttributionState, step: Step) -> None:
    """Drop what the windows of stream time no longer hold; feedback that waited in vain becomes a dead letter."""
    now = step.recorded_us
    while state.seen and now - state.seen[identity := next(iter(state.seen))] > REPEAT_WINDOW_US:
        del state.seen[identity]
    while state.waiting:
        late = next(iter(state.waiting.values()))
        if now - late.recorded_us <= WAIT_WINDOW_US:
            break
        del state.waiting[late.seq]
        _stop_waiting(state, late)
        detail = f"feedback on decision {late.decision_id!r:.100} of {format_time(late.recorded_us)}"
        step.dead.append(_dead(late.raw, reasons.DECISION_NEVER_CAME, detail))
        step.given_up.append(late)
    while state.decisions:
        oldest = next(iter(state.decisions.values()))
        if now - oldest.recorded_us <= OPEN_WINDOW_US:
            break
        del state.decisions[oldest.decision_id]
        _forget_reactions(state, oldest)
        theirs = state.recent[oldest.user_id]
        theirs.pop(0)
        if not theirs:
            del state.recent[oldest.user_id]


def _stop_waiting(state: AttributionState, feedback: Feedback) -> None:
    assert feedback.decision_id is not None
    others = state.awaited[feedback.decision_id]
    others.remove(feedback.seq)
    if not others:
        del state.awaited[feedback.decision_id]


def _dead(raw: Recorded, reason: str, detail: str) -> Malformed:
    return Malformed(raw.seq, raw.recorded_us, reason, detail, raw)
