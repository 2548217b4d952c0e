"""Random streams: what people, sources and admins do in any order, with copies, refusals and jumps of the clock."""

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from hypothesis import strategies as st

from contracts.events.admin import (
    Arm,
    DeadLetterSkipped,
    ExperimentStarted,
    ExperimentStopped,
    ModelPromoted,
    ModelShadowed,
    ModelWithdrawn,
    PolicyDisabled,
    PolicyEnabled,
    PolicyPromoted,
    PolicyShadowed,
    QueryDeleted,
    QuerySaved,
    ReplayCompleted,
    ReplayRequested,
)
from contracts.events.base import SignedEvent
from contracts.events.catalog import TipPublished, TipRetired
from contracts.rewards import ACTIONS
from contracts.times import HOUR_US
from tests.folds.log import IDENTITY, Log

Act = Callable[[Log], object]

USERS = ("ann", "bob", "Zoë 🌱")
TIPS = ("walk", "rest", "call")
EIGHTHS = st.sampled_from([number / 8 for number in sorted(range(-16, 17), key=abs)])
"""Numbers whose products and sums are exact, so that the order of adding does not show."""

users = st.sampled_from((USERS[0], *USERS))
tips = st.sampled_from(TIPS)
whose = st.sampled_from(
    [
        (user, f"{USERS[(place + away) % len(USERS)]}-{number}")
        for place, user in ((0, USERS[0]), *enumerate(USERS))
        for away, number in product([0] * 9 + [1], [0, 1])
    ]
)
"""A person and a decision id, mostly one of their own."""
xs = st.tuples(EIGHTHS, EIGHTHS, EIGHTHS).map(lambda some: [*some, *(0.125, -0.25) * 6, 1.0])


def _act(method: str, *args: Any, **kwargs: Any) -> Act:
    return lambda log: getattr(log, method)(*args, **kwargs)


# Each is one draw, for draws are half of what a story costs. What tells most stands last: Hypothesis likes low numbers.
_OWN = [*[None] * 4, *(f"own{number}" for number in range(4))]
_DECISIONS = st.sampled_from(
    list(product([False, False, False, True], [False, False, True], [None, None, "e-other"], TIPS))
)
_REACTIONS = st.sampled_from(list(product([None, None, *TIPS, *[None] * 5], _OWN, [False, True], ACTIONS)))


def scored(pairs: st.SearchStrategy[tuple[str, str]] = whose) -> st.SearchStrategy[Act]:
    """Decisions, some of them external, of the wrong length, or under an id that is taken."""

    def act(pair: tuple[str, str], x: list[float], rest: tuple[bool, bool, str | None, str]) -> Act:
        wrong, external, event_id, tip = rest
        x = x[:-1] if wrong else x
        return _act("scored", *pair, tip=tip, candidates=TIPS, x=x, external=external, event_id=event_id)

    return st.builds(act, pairs, xs, _DECISIONS)


def feedback(pairs: st.SearchStrategy[tuple[str, str]] = whose) -> st.SearchStrategy[Act]:
    """Reactions with and without a decision, a tip or an id of their own."""

    def act(pair: tuple[str, str], rest: tuple[str | None, str | None, bool, str]) -> Act:
        tip, event_id, named, action = rest
        return _act("feedback", action, pair[0], pair[1] if named else None, tip=tip, event_id=event_id)

    return st.builds(act, pairs, _REACTIONS)


def signals(people: st.SearchStrategy[str] = users) -> st.SearchStrategy[Act]:
    """Observations, some of them late."""
    values = st.dictionaries(st.sampled_from(["steps", "mood"]), EIGHTHS, min_size=1)
    return st.builds(
        lambda values, user, late: lambda log: log.signal(values, user, observed_us=log.now_us - late * HOUR_US),
        values, people, st.sampled_from([0, 0, 1, 30]),
    )  # fmt: skip


def resets(people: st.SearchStrategy[str] = users) -> st.SearchStrategy[Act]:
    """Resets of people."""
    return people.map(lambda user: _act("reset", user))


def _each(kind: type[SignedEvent], **values: Sequence[Any]) -> st.SearchStrategy[Act]:
    """Every such event, each as likely; made once, for that takes longer than to draw one."""
    return st.sampled_from(
        [_act("admin", kind(**dict(zip(values, chosen, strict=True)))) for chosen in product(*values.values())]
    )


admin = st.one_of(
    _each(PolicyEnabled, policy="ab", weight=[0.25, 1.0]),
    _each(PolicyPromoted, policy="ab", params=[{"alpha": 1.0}]),
    _each(PolicyShadowed, policy="ab", params=[{}, {"gamma": 0.75}]),
    _each(PolicyDisabled, policy="ab"),
    _each(TipPublished, tip_id=TIPS, title=TIPS, category=["rest"], effort=[1], minutes=[5]),
    _each(TipRetired, tip_id=TIPS),
    _each(QuerySaved, query_id=TIPS, name=TIPS, sql=TIPS),
    _each(QueryDeleted, query_id=TIPS),
    _each(ReplayRequested, replay_id=TIPS, projections=[["sqlite"]]),
    _each(
        ReplayCompleted, replay_id=TIPS, outcome=["done"], full=[False, True], events=[1], duration_us=[1],
        results=[[]],
    ),
    _each(ExperimentStarted, experiment_id=TIPS, name=TIPS, salt=TIPS, arms=[[Arm(policy="a", weight=1.0)]]),
    _each(ExperimentStopped, experiment_id=TIPS),
    *(
        _each(
            event, model_version=TIPS, feature_set=["wellbeing.v1"], a0=[IDENTITY], b0=[[0.0] * 16]
        )
        for event in (ModelPromoted, ModelShadowed)
    ),
    _each(ModelWithdrawn, model_version=TIPS, feature_set=["wellbeing.v1"]),
)  # fmt: skip
skips = _each(DeadLetterSkipped, seq=range(1, 31))
malformed = users.map(lambda user: _act("bare", "tips.feedback.liked.ann", user.encode()))
copies = st.integers(1, 60).map(lambda seq: lambda log: log.again(min(seq, log.seq)) if log.seq else None)
pauses = st.sampled_from([0.001, 1, 1, 1, 20, 25, 24 * 8]).map(lambda hours: _act("wait", hours=hours))
months = st.just(_act("wait", days=31))

REACTIONS = [feedback() for _ in range(6)]
PERSONAL = st.one_of(scored(), scored(), *REACTIONS, signals(), resets(), pauses)
"""What people do; copies and malformed messages aside."""

ANYTHING = st.one_of(scored(), *REACTIONS, PERSONAL, admin, skips, malformed, copies, copies)


def stories(acts: st.SearchStrategy[Act], *, max_size: int = 50, within_days: float | None = None) -> Any:
    """Logs of random acts; a pause that would pass `within_days` in all is left out."""

    def play(chosen: list[Act]) -> Log:
        log = Log()
        start = log.now_us
        for act in chosen:
            before = log.now_us
            act(log)
            if within_days is not None and log.now_us - start > within_days * 24 * HOUR_US:
                log.now_us = before
        return log

    # Of any length alike; a plain list of up to 40 acts has six on average.
    sized = {size: st.lists(acts, min_size=size, max_size=size) for size in range(1, max_size + 1)}
    return st.integers(1, max_size).flatmap(sized.__getitem__).map(play)
