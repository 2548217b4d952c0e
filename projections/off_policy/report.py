"""A question about a policy asked of a log, and the answer for people and for programs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from contracts.codec import Decoder
from contracts.envelope import Entry
from contracts.errors import TipstreamError
from contracts.events.person import TipScored
from contracts.subjects import PREFIX
from contracts.times import format_time
from ml.evaluation.estimate import Estimate
from ml.evaluation.evaluation import Evaluation, evaluate
from ml.policies.params import ParamsError, PolicyParams, check
from ml.policies.registry import POLICIES
from projections.folds.policies import PoliciesState
from projections.folds.projection import State, advance
from projections.off_policy.targets import Frequencies, ImportedPolicy, OurPolicy, Target
from projections.off_policy.walk import Span, Walk
from services.bootstrap import Bus, open_decoder

SCORED = f"{PREFIX}.scored.*"
STANDINGS = f"{PREFIX}.admin.policy.*.*"

Progress = Callable[[int, int], None]


class NothingToEvaluate(TipstreamError):
    """The policy is none of ours, and no decision of it was imported; the message lists what there is."""


@dataclass(frozen=True, slots=True)
class Question:
    """Which policy, with which parameters (None: as it stands), over which decisions."""

    policy: str
    params: Mapping[str, float] | None = None
    span: Span = field(default_factory=Span)


@dataclass(frozen=True, slots=True)
class Report:
    """What a policy would have earned; `earned` is what it did earn where it decided itself, None where it never did.

    `taken_as` says what stood for the policy, `logged_by` whose decisions were weighted, `left_out` which were not.
    """

    policy: str
    taken_as: str
    span: Span
    upto_seq: int
    logged_by: dict[str, int]
    left_out: dict[str, int]
    earned: Estimate | None
    evaluation: Evaluation

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "policy": self.policy,
            "taken_as": self.taken_as,
            "since": _moment(self.span.since_us),
            "until": _moment(self.span.until_us),
            "young": self.span.young,
            "upto_seq": self.upto_seq,
            "logged_by": self.logged_by,
            "left_out": self.left_out,
            "earned": None if self.earned is None else _numbers(self.earned),
            **self.evaluation.as_dict(),
        }

    def lines(self) -> list[str]:
        """The report for people."""
        found = self.evaluation.overlap
        by = ", ".join(f"{name} {count:,}" for name, count in self.logged_by.items()) or "nobody"
        said = [
            f"policy     {self.taken_as}",
            f"log        {found.decisions:,} decisions made by {by}; reward a decision, no reaction counts 0",
        ]
        said += [f"left out   {count:,}: {why}" for why, count in self.left_out.items()]
        said.append(f"{'the log earned':<18} {_shown(self.evaluation.on_policy)}")
        if self.earned is not None:
            said.append(f"{'itself it earned':<18} {_shown(self.earned)}, {self.earned.decisions:,} decisions")
        if not self.evaluation.refusal:
            for answer in self.evaluation.answers:
                said.append(f"{answer.estimator:<18} {_shown(answer.estimate) if answer.estimate else answer.refusal}")
        said.append(
            f"overlap    worth {found.effective:,.0f} decisions ({found.effective_share:.1%}), weights "
            f"{found.mean_weight:.3f} on average, {found.largest_weight:.1f} at most; {found.unsupported:.1%} of the "
            "policy's choices without support"
        )
        if self.evaluation.caution:
            said.append(f"caution    {self.evaluation.caution}")
        if self.evaluation.refusal:
            said.append(f"NO ANSWER  {self.evaluation.refusal}")
        return said


async def evaluate_policy(bus: Bus, question: Question, *, progress: Progress) -> Report:
    """Walk over the whole log. Raises NothingToEvaluate, ParamsError, BusUnavailable."""
    decoder, last = await open_decoder(bus), (await bus.info()).last_seq
    walk = Walk(await _target(bus, decoder, question, last), question.span)
    async for batch in bus.read(0, upto=last):
        for recorded in batch:
            walk.take(decoder.decode(recorded))
        progress(batch[-1].seq, last)
    walk.finish()
    return Report(
        policy=question.policy,
        taken_as=walk.target.said,
        span=question.span,
        upto_seq=last,
        logged_by=dict(sorted(walk.policies.items())),
        left_out=dict(sorted(walk.left_out.items())),
        earned=walk.earned.estimate(),
        evaluation=evaluate(walk.evidence),
    )


def numbers_of(texts: Sequence[str]) -> dict[str, float]:
    """Parameters written as `name=number`. Raises ParamsError; names and ranges are the policy's to check."""
    numbers: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            numbers[name.strip()] = float(value)
        except ValueError:
            raise ParamsError(text[:80], "must be a name and a number, such as alpha=0.3") from None
    return numbers


async def _target(bus: Bus, decoder: Decoder, question: Question, last: int) -> Target:
    if question.policy in POLICIES:
        params = question.params
        if params is None:
            # As it stands, with what an earlier release may have let it take.
            params = await _standing(bus, decoder, question.policy, last)
        else:
            check(question.policy, params)
        return OurPolicy(question.policy, PolicyParams.of(question.policy, params))
    counted: dict[str, Frequencies] = {}
    async for batch in bus.read(0, upto=last, subjects=[SCORED]):
        for recorded in batch:
            item = decoder.decode(recorded)
            if isinstance(item, Entry) and isinstance(item.event, TipScored) and item.event.external:
                counted.setdefault(item.event.policy, Frequencies()).add(item.event)
    if question.policy not in counted:
        imported = f", and of imported decisions {', '.join(sorted(counted))}" if counted else ""
        raise NothingToEvaluate(
            f"policy {question.policy!r:.100} is unknown: there are {', '.join(POLICIES)}{imported}; decisions of "
            "another one come in by `tipstream import`"
        )
    if question.params is not None:
        raise NothingToEvaluate(f"{question.policy} is somebody else's policy: it takes no parameters")
    return ImportedPolicy(question.policy, counted[question.policy])


async def standings(bus: Bus, decoder: Decoder, last: int) -> PoliciesState:
    """Every policy as it stands at `last`, with its parameters."""
    state = State()
    async for batch in bus.read(0, upto=last, subjects=[STANDINGS]):
        for recorded in batch:
            advance(state, decoder.decode(recorded))
    return state.policies


async def _standing(bus: Bus, decoder: Decoder, policy: str, last: int) -> Mapping[str, float]:
    """The parameters that a policy has now; defaults stand for what the log never set."""
    known = (await standings(bus, decoder, last)).policies.get(policy)
    return known.params if known is not None else {}


def _numbers(estimate: Estimate) -> dict[str, float]:
    return {name: getattr(estimate, name) for name in Estimate.__dataclass_fields__}


def _moment(us: int | None) -> str | None:
    return None if us is None else format_time(us)


def _shown(estimate: Estimate | None) -> str:
    if estimate is None:
        return "nothing that can be told"
    return f"{estimate.value:+.5f}  [{estimate.low:+.5f}, {estimate.high:+.5f}]"
