"""Guardrails: what speaks against a policy, and who is watched beside whom."""

import numpy as np
import pytest

from contracts.events.admin import PolicyDisabled, PolicyEnabled, PolicyPromoted, PolicyShadowed
from contracts.events.base import SignedEvent
from ml.experiments.guardrails import Calls, Limits, complaint
from ml.experiments.people import Sample
from ml.serving.guard import Climbs
from services.bootstrap import ACTOR
from tests.folds.log import Log

LIMITS = Limits(reward=0.0, negative=0.02, errors=0.05)


def sample(before: float, now: float, people: int = 200, variance: float = 0.01) -> Sample:
    return Sample(np.array([people, people], float), np.array([before, now]), np.full(2, variance))


SAME = sample(0.2, 0.2)


def test_nothing_speaks_against_a_policy_as_good_as_the_one_before() -> None:
    assert complaint(SAME, SAME, Calls(1000, 50), LIMITS) is None
    assert complaint(sample(0.2, 0.3), sample(0.3, 0.2), Calls(), LIMITS) is None


@pytest.mark.parametrize(
    ("rewards", "negatives", "calls", "says"),
    [
        (sample(0.3, 0.1), SAME, Calls(), "mean reward: -0.200 a decision"),
        (SAME, sample(0.1, 0.3), Calls(), "negative reactions: +20.0% of decisions"),
        (SAME, SAME, Calls(90, 10), "errors: 10 of 100 calls failed"),
    ],
)
def test_each_limit_is_told_by_its_name(rewards: Sample, negatives: Sample, calls: Calls, says: str) -> None:
    said = complaint(rewards, negatives, calls, LIMITS)
    assert said is not None
    assert said.startswith(says)


def test_few_people_calls_and_what_is_put_up_with_say_nothing() -> None:
    few = sample(0.3, -0.3, people=19)
    assert complaint(few, few, Calls(9, 10), LIMITS) is None
    lenient = Limits(reward=0.5, negative=0.5, errors=0.2)
    assert complaint(sample(0.3, 0.1), sample(0.1, 0.3), Calls(90, 10), lenient) is None


def test_a_policy_is_watched_beside_the_one_that_decided_for_most_before() -> None:
    log, climbs = Log(), Climbs()

    def change(event: SignedEvent) -> list[tuple[str, str]]:
        entry = log.admin(event).entry
        assert entry is not None
        climbs.take(entry)
        return [(climb.policy, climb.baseline) for climb in climbs.watched()]

    assert change(PolicyPromoted(policy="linucb")) == []
    assert change(PolicyEnabled(policy="random", weight=0.1)) == [], "it is there to compare with"
    assert change(PolicyShadowed(policy="greedy")) == []
    assert change(PolicyEnabled(policy="greedy", weight=0.2)) == [("greedy", "linucb")]
    since = climbs.climbs["greedy"].since_us
    log.wait(hours=1)
    assert change(PolicyEnabled(policy="greedy", weight=0.5)) == [("greedy", "linucb")]
    assert climbs.climbs["greedy"].since_us == since, "a larger share is the same climb"
    assert change(PolicyPromoted(policy="greedy")) == [("greedy", "linucb")]
    assert change(PolicyPromoted(policy="linucb")) == [("linucb", "greedy")]
    assert change(PolicyDisabled(policy="linucb")) == []


def test_who_climbs_beside_another_climber_is_compared_with_who_stood_before_both() -> None:
    log, climbs = Log(), Climbs()
    for policy, weight in (("linucb", 1.0), ("random", 1.0), ("greedy", 1.0), ("softmax", 0.3)):
        entry = log.admin(PolicyEnabled(policy=policy, weight=weight)).entry
        assert entry is not None
        climbs.take(entry)
    assert [(climb.policy, climb.baseline) for climb in climbs.watched()] == [
        ("greedy", "linucb"),
        ("softmax", "linucb"),
    ]


def test_whom_a_guardrail_puts_back_is_not_taken_back_for_the_one_that_failed() -> None:
    log, climbs = Log(), Climbs()
    for policy, actor in (("linucb", "ada"), ("greedy", "ada"), ("linucb", ACTOR)):
        entry = log.admin(PolicyPromoted(policy=policy), actor=actor).entry
        assert entry is not None
        climbs.take(entry)
    assert climbs.watched() == []
