"""A walk over a log judges each decision from the state that the log had then, and counts the rewards it came to."""

import pytest

from contracts.events.admin import PolicyPromoted
from contracts.events.person import TipScored
from ml.evaluation import estimators
from ml.evaluation.evaluation import evaluate
from ml.evaluation.overlap import overlap
from ml.policies.params import PolicyParams
from projections.off_policy.targets import Frequencies, ImportedPolicy, OurPolicy, Target
from projections.off_policy.walk import Span, Walk
from tests.folds.log import DECODER, Log
from tests.projections.office import REACTIONS, TIPS, Office

WORTH = {"done": 1.0, "not_helpful": -0.5, None: 0.0, "helpful": 0.5, "dismissed": -0.25}


def walked(log: Log, target: Target, span: Span | None = None) -> Walk:
    """A finished walk over a log."""
    walk = Walk(target, span or Span())
    for recorded in log.records:
        walk.take(DECODER.decode(recorded))
    walk.finish()
    return walk


def lived(decisions: int = 150, params: dict[str, float] | None = None) -> tuple[Office, list[TipScored], list[float]]:
    """An office after so many decisions, an hour apart, and two quiet days; each decision with its reward."""
    office = Office()
    office.log.admin(PolicyPromoted(policy="linucb", params=params or {}, reason="test"))
    made = office.live(decisions)
    return office, made, [WORTH[REACTIONS[number % len(REACTIONS)]] for number in range(decisions)]


@pytest.fixture(scope="module")
def life() -> tuple[Office, list[TipScored], list[float]]:
    return lived()


Life = tuple[Office, list[TipScored], list[float]]


def test_a_policy_on_its_own_log_has_weights_of_one(life: Life) -> None:
    office, made, rewards = life
    walk = walked(office.log, OurPolicy("linucb", PolicyParams()))
    assert walk.evidence.n == len(made)
    assert overlap(walk.evidence).effective == pytest.approx(len(made))
    mean = sum(rewards) / len(rewards)
    assert estimators.ips(walk.evidence).value == pytest.approx(mean)
    assert walk.earned.estimate() == estimators.on_policy(walk.evidence)
    assert (walk.evidence.unsupported, dict(walk.policies)) == (0.0, {"linucb": len(made)})


def test_the_random_policy_weighs_each_reward_by_its_propensity(life: Life) -> None:
    office, made, rewards = life
    walk = walked(office.log, OurPolicy("random", PolicyParams()))
    terms = [reward / len(TIPS) / decision.propensity for decision, reward in zip(made, rewards, strict=True)]
    assert estimators.ips(walk.evidence).value == pytest.approx(sum(terms) / len(terms))
    assert walk.evidence.uniform == sum(decision.explored for decision in made)
    assert walk.earned.estimate() is None


def test_the_same_log_gives_the_same_bytes(life: Life) -> None:
    office, _, _ = life
    one, other = (walked(office.log, OurPolicy("greedy", PolicyParams(epsilon=0.5))).evidence for _ in range(2))
    assert evaluate(one) == evaluate(other)
    assert one.robust.zz.tobytes() == other.robust.zz.tobytes()


def test_a_decision_stored_late_is_judged_from_the_state_it_names() -> None:
    office = Office()
    office.learn(5)
    late = office.decide("late")
    office.learn(5)
    office.append(late)
    walk = walked(office.log, OurPolicy("linucb", PolicyParams()), Span(young=True))
    assert (walk.evidence.n, dict(walk.left_out)) == (11, {})
    assert overlap(walk.evidence).effective == pytest.approx(11)


def test_young_decisions_are_left_out_unless_they_are_asked_for() -> None:
    office = Office()
    office.learn(3)
    old = walked(office.log, OurPolicy("linucb", PolicyParams()))
    assert (old.evidence.n, dict(old.left_out)) == (0, {"younger than 24 h of stream time": 3})
    assert old.policies == {}, "nobody's decisions were weighted"
    assert walked(office.log, OurPolicy("linucb", PolicyParams()), Span(young=True)).evidence.n == 3


def test_only_decisions_of_the_window_count(life: Life) -> None:
    office, made, rewards = life
    span = Span(made[10].occurred_at, made[20].occurred_at)
    walk = walked(office.log, OurPolicy("linucb", PolicyParams()), span)
    assert (walk.evidence.n, walk.evidence.reward) == (10, sum(rewards[10:20]))


def test_a_changed_mind_counts_as_the_latest_reward() -> None:
    office = Office()
    office.append(office.decide("d"))
    office.log.feedback("helpful", "ann", "d")
    office.log.wait(days=3)
    office.log.feedback("not_helpful", "ann", "d")
    walk = walked(office.log, OurPolicy("linucb", PolicyParams()))
    assert (walk.evidence.n, walk.evidence.reward) == (1, -0.5)


def test_a_deterministic_log_is_refused_with_the_reason_but_not_for_its_own_policy() -> None:
    office, made, _ = lived(params={"epsilon": 0.0})
    assert {decision.propensity for decision in made} == {1.0}
    refused = evaluate(walked(office.log, OurPolicy("random", PolicyParams())).evidence)
    assert "80.0% of what the policy would show was never possible in the log" in refused.refusal
    assert all(answer.estimate is None for answer in refused.answers)
    assert evaluate(walked(office.log, OurPolicy("linucb", PolicyParams(epsilon=0.0))).evidence).refusal == ""


def test_no_more_than_a_month_of_decisions_is_held() -> None:
    office = Office()
    walk, held = Walk(OurPolicy("linucb", PolicyParams()), Span()), []
    for number in range(60):
        office.log.wait(days=1)
        office.append(office.decide(f"d{number}"))
    for recorded in office.log.records:
        walk.take(DECODER.decode(recorded))
        held.append(len(walk._open))
    walk.finish()
    assert max(held) == 31
    assert walk.evidence.n == 59


def test_an_erased_person_no_longer_counts() -> None:
    office = Office()
    office.learn(3)
    office.log.erase("ann")
    walk = walked(office.log, OurPolicy("linucb", PolicyParams()), Span(young=True))
    assert (walk.evidence.n, walk.policies) == (0, {})


def test_an_imported_policy_is_its_frequencies_by_position() -> None:
    log, counted = Log(), Frequencies()
    tips = ("rest", "walk")
    for number, (policy, tip, place, propensity) in enumerate(
        [
            *[("theirs", "walk", 1, 0.6), ("theirs", "walk", 1, 0.6), ("theirs", "rest", 1, 0.4)],
            *[("theirs", "rest", 2, 0.4), ("other", "walk", 1, 0.5), ("other", "rest", 1, 0.5)],
            *[("other", "rest", 2, 0.5), ("other", "rest", 3, 0.5)],
        ]
    ):
        log.scored(
            f"p{number}", tip=tip, candidates=tips, policy=policy, propensity=propensity, external=True,
            feature_set="shop.v1", features={"position": float(place)},
        )  # fmt: skip
        log.feedback("helpful", f"p{number}")
        event = DECODER.decode(log.records[-2]).event  # type: ignore[union-attr]
        if policy == "theirs":
            counted.add(event)  # type: ignore[arg-type]
    target = ImportedPolicy("theirs", counted)
    walk = walked(log, target)
    # 2/3 and 1/3 at position 1, 1 at position 2, never at 3; each shown with 1/2.
    assert walk.evidence.n == 3
    assert walk.evidence.weight == pytest.approx((2 / 3 + 1 / 3 + 1) * 2)
    assert dict(walk.left_out) == {"theirs never showed a tip at position 3": 1}
    assert walk.evidence.uniform == 3
    assert walk.earned.n == 4
    assert "frequencies of tip by position in its 4 imported decisions" in target.said
