"""Random streams: what people, sources and admins do in any order, with copies, refusals and jumps of the clock."""

from collections.abc import Callable
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
from tests.folds.log import Log

Act = Callable[[Log], object]

USERS = ("ann", "bob", "Zoë 🌱")
TIPS = ("walk", "rest", "call")
EIGHTHS = st.integers(-16, 16).map(lambda number: number / 8)
"""Numbers whose products and sums are exact, so that the order of adding does not show."""

users = st.sampled_from((USERS[0], *USERS))
tips = st.sampled_from(TIPS)
whose = st.tuples(users, st.sampled_from([0] * 9 + [1]), st.integers(0, 1)).map(
    lambda drawn: (drawn[0], f"{USERS[(USERS.index(drawn[0]) + drawn[1]) % len(USERS)]}-{drawn[2]}")
)
"""A person and a decision id, mostly one of their own."""
xs = st.tuples(EIGHTHS, EIGHTHS, EIGHTHS).map(lambda some: [*some, *(0.125, -0.25) * 6, 1.0])


def _act(method: str, *args: Any, **kwargs: Any) -> Act:
    return lambda log: getattr(log, method)(*args, **kwargs)


def scored(pairs: st.SearchStrategy[tuple[str, str]] = whose) -> st.SearchStrategy[Act]:
    """Decisions, some of them external, of the wrong length, or under an id that is taken."""
    return st.builds(
        lambda pair, tip, x, external, wrong, event_id: _act(
            "scored", *pair, tip=tip, candidates=TIPS, x=x[:-1] if wrong else x, external=external,
            event_id=event_id,
        ),
        pairs, tips, xs, st.integers(0, 9).map(lambda n: n == 0), st.integers(0, 19).map(lambda n: n == 0),
        st.none() | st.none() | st.just("e-other"),
    )  # fmt: skip


def feedback(pairs: st.SearchStrategy[tuple[str, str]] = whose) -> st.SearchStrategy[Act]:
    """Reactions with and without a decision, a tip or an id of their own."""
    return st.builds(
        lambda pair, action, named, tip, event_id: _act(
            "feedback", action, pair[0], pair[1] if named else None, tip=tip, event_id=event_id
        ),
        pairs, st.sampled_from(ACTIONS), st.booleans(), st.none() | st.none() | st.none() | tips,
        st.none() | st.integers(0, 3).map(lambda number: f"own{number}"),
    )  # fmt: skip


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


def _signed(event: SignedEvent) -> Act:
    return _act("admin", event)


admin = st.one_of(
    st.builds(PolicyEnabled, policy=st.sampled_from(["a", "b"]), weight=st.sampled_from([0.25, 1.0])),
    st.builds(PolicyPromoted, policy=st.sampled_from(["a", "b"]), params=st.just({"alpha": 1.0})),
    st.builds(PolicyShadowed, policy=st.sampled_from(["a", "b"]), params=st.sampled_from([{}, {"gamma": 0.75}])),
    st.builds(PolicyDisabled, policy=st.sampled_from(["a", "b"])),
    st.builds(TipPublished, tip_id=tips, title=tips, category=st.just("rest"), effort=st.just(1), minutes=st.just(5)),
    st.builds(TipRetired, tip_id=tips),
    st.builds(QuerySaved, query_id=tips, name=tips, sql=tips),
    st.builds(QueryDeleted, query_id=tips),
    st.builds(ReplayRequested, replay_id=tips, projections=st.just(["sqlite"])),
    st.builds(
        ReplayCompleted, replay_id=tips, outcome=st.just("done"), full=st.booleans(), events=st.just(1),
        duration_us=st.just(1), results=st.just([]),
    ),
    st.builds(ExperimentStarted, experiment_id=tips, name=tips, salt=tips, arms=st.just([Arm(policy="a", weight=1.0)])),
    st.builds(ExperimentStopped, experiment_id=tips),
    *(
        st.builds(
            event,
            model_version=tips,
            feature_set=st.just("wellbeing.v1"),
            a0=st.just([[0.0] * 16] * 16),
            b0=st.just([0.0] * 16),
        )
        for event in (ModelPromoted, ModelShadowed)
    ),
    st.builds(ModelWithdrawn, model_version=tips, feature_set=st.just("wellbeing.v1")),
).map(_signed)  # fmt: skip
skips = st.integers(1, 30).map(lambda seq: _signed(DeadLetterSkipped(seq=seq)))
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
    return st.integers(1, max_size).flatmap(lambda size: st.lists(acts, min_size=size, max_size=size)).map(play)
