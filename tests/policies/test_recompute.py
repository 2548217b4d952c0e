"""A decision is recomputed from the log alone: to the same bits, or with the name of what differs."""

import math
from collections.abc import Sequence
from typing import Any, Literal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import Entry
from contracts.events.admin import ModelPromoted, PolicyPromoted
from contracts.events.catalog import TipPublished, TipRetired
from contracts.events.person import InlineCandidate, TipScored
from ml.features.definitions import CURRENT
from ml.policies.decision import CallRefused, Decider, ScoringCall
from ml.policies.kernel import KERNEL
from ml.policies.params import TAKEN, PolicyParams
from ml.policies.recompute import Finding, Recomputer
from ml.policies.registry import POLICIES
from projections.folds.learning import Sums
from tests.folds.log import DECODER, Log
from tests.policies.streams import steady

TIPS = {"walk": ("movement", 2, 15), "nap": ("rest", 1, 20), "plan": ("focus", 4, 45), "call": ("social", 3, 10)}
CONTEXT = {
    "steps": 9000,
    "signals": {
        "mood": {"value": 2, "source": "diary", "observed_at": "2026-03-01T07:00:00Z"},
        "sleep_hours": {
            "value": 5.5,
            "source": "ring",
            "observed_at": "2026-03-01T06:00:00Z",
            "token_expires_at": "2026-03-01T07:30:00Z",
        },
    },
}


class Desk:
    """Decides over a hand-made log and appends what was decided to it."""

    def __init__(self) -> None:
        self.log = Log()
        self.decider = Decider()
        for tip_id, (category, effort, minutes) in TIPS.items():
            self.log.admin(
                TipPublished(tip_id=tip_id, title=tip_id, category=category, effort=effort, minutes=minutes)  # type: ignore[arg-type]
            )

    def decide(
        self,
        decision_id: str,
        *,
        user: str = "ann",
        policy: str = "linucb",
        context: dict[str, Any] | None = None,
        candidates: Sequence[str | InlineCandidate] = tuple(TIPS),
    ) -> TipScored:
        """A decision of now, as the log gives it back."""
        log = self.log
        vector = self.decider.read(CONTEXT if context is None else context, log.now_us)
        made = self.decider.decide(log.state, ScoringCall(decision_id, user, policy, candidates), vector, log.now_us)
        log.event(made, event_id=decision_id)
        entry = DECODER.decode(log.records[-1])
        assert isinstance(entry, Entry), entry
        assert isinstance(entry.event, TipScored)
        return entry.event

    def learn(self, user: str = "ann", pulls: int = 6) -> None:
        """Pulls with different rewards."""
        for number in range(pulls):
            self.log.wait(hours=1)
            self.decide(f"{user}-{self.log.seq}", user=user)
            self.log.feedback("done" if number % 3 else "not_helpful", user)

    def check(self, event: TipScored, sums: Sums | None = None) -> Finding:
        """The event against the state as it stands."""
        state = self.log.state
        person = state.learning.people.get(event.user_id)
        known = sums or (person.at(CURRENT, event.params.get("gamma", 1.0)) if person else None)
        return Recomputer(state.catalog.at).check(event, known, state.policies.model(CURRENT, event.model_seq))


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize("policy", POLICIES)
def test_a_decision_is_recomputed_bit_for_bit(desk: Desk, policy: str) -> None:
    desk.learn()
    event = desk.decide("d", policy=policy)
    assert event.state_version == 6
    assert event.params.keys() == set(TAKEN[policy])
    assert desk.check(event) == Finding("identical")


@pytest.mark.parametrize("policy", ["lints", "softmax"])
def test_another_kernel_s_draw_may_differ_in_the_last_digits_only(desk: Desk, policy: str) -> None:
    desk.learn()
    for number in range(20):
        event = desk.decide(f"e{number}", policy=policy)
        scores = [score * (1 + 1e-13) for score in event.score]
        theirs = event.model_copy(update={"kernel": "cholesky.v1/other", "score": scores})
        assert desk.check(theirs) == Finding("close")
        worst = min(range(len(scores)), key=scores.__getitem__)
        if event.candidate_ids()[worst] != event.tip_id and not event.explored:
            assert desk.check(theirs.model_copy(update={"tip_id": event.candidate_ids()[worst]})).differences


def test_a_greedy_decision_that_logged_an_alpha_is_recomputed(desk: Desk) -> None:
    """Every policy logged every parameter once."""
    event = desk.decide("d", policy="greedy")
    assert desk.check(event.model_copy(update={"params": event.params | {"alpha": 0.5}})) == Finding("identical")


def test_the_first_decision_of_a_person_is_recomputed_from_no_sums(desk: Desk) -> None:
    assert desk.check(desk.decide("d", user="new")) == Finding("identical")
    assert "new" not in desk.log.state.learning.people


def test_a_decision_can_be_read_back(desk: Desk) -> None:
    desk.learn()
    event = desk.decide("d")
    assert event.candidate_ids() == list(TIPS)
    assert (event.kernel, event.feature_set, event.model_version) == (KERNEL, CURRENT, "none")
    assert event.params == PolicyParams().logged("linucb")
    assert event.catalog_seq == 4
    assert event.model_seq == desk.log.seq - 1
    assert event.stale_sources == ["ring"]
    assert "sleep_effort" in event.missing
    assert list(event.features.values()) == event.x
    assert math.isclose(event.score[0], event.mean[0] + event.bonus[0])


def test_features_of_a_caller_are_logged_and_recomputed(desk: Desk) -> None:
    inline = InlineCandidate(tip_id="theirs", features={"category": "rest", "minutes": 5.0, "tip_effort": 0.25})
    event = desk.decide("d", candidates=["walk", inline])
    assert event.candidates[1] == inline
    assert desk.check(event) == Finding("identical")


def test_the_catalog_counts_as_it_stood(desk: Desk) -> None:
    event = desk.decide("d")
    desk.log.admin(TipPublished(tip_id="walk", title="walk", category="rest", effort=5, minutes=90))
    desk.log.admin(TipRetired(tip_id="nap"))
    assert desk.check(event) == Finding("identical")


def test_a_promoted_model_counts_from_its_promotion_on(desk: Desk) -> None:
    before = desk.decide("before")
    d = len(before.x)
    a0 = [[3.0 if row == column else 0.1 for column in range(d)] for row in range(d)]
    desk.log.admin(ModelPromoted(model_version="m1", feature_set=CURRENT, a0=a0, b0=[0.5] * d))
    after = desk.decide("after")
    assert (before.model_version, after.model_version) == ("none", "m1")
    assert before.mean != after.mean
    assert [desk.check(one) for one in (before, after)] == [Finding("identical")] * 2


@pytest.mark.parametrize("no_model", [True, None])
def test_lambda_counts_again_once_no_model_is_left_but_not_where_a_log_has_its_old_neutral_prior(
    desk: Desk, no_model: Literal[True] | None
) -> None:
    desk.log.admin(PolicyPromoted(policy="linucb", params={"lambda": 5.0}))
    desk.learn()
    before = desk.decide("before")
    d = len(before.x)
    a0, b0 = [[float(row == column) for column in range(d)] for row in range(d)], [0.0] * d
    desk.log.admin(ModelPromoted(model_version="m1", feature_set=CURRENT, a0=a0, b0=b0))
    desk.log.admin(ModelPromoted(model_version="neutral", feature_set=CURRENT, a0=a0, b0=b0, no_model=no_model))
    after = desk.decide("after")
    assert after.model_version == "neutral"
    assert (after.bonus == before.bonus) == bool(no_model)
    assert [desk.check(one) for one in (before, after)] == [Finding("identical")] * 2


def test_parameters_in_force_are_logged(desk: Desk) -> None:
    desk.log.admin(PolicyPromoted(policy="linucb", params={"alpha": 2.0, "epsilon": 0.5}))
    event = desk.decide("d")
    assert (event.policy_version, event.params) == (1, {"alpha": 2.0, "lambda": 1.0, "epsilon": 0.5, "gamma": 1.0})
    assert desk.check(event) == Finding("identical")


@pytest.mark.parametrize(
    ("change", "differs"),
    [
        ({"score": lambda event: [event.score[0] + 1e-12, *event.score[1:]]}, ("score",)),
        ({"propensity": lambda event: 0.5}, ("propensity",)),
        ({"explored": lambda event: not event.explored}, ("explored",)),
        ({"missing": lambda event: []}, ("missing",)),
        ({"x_digest": lambda event: "0" * 64}, ("x_digest",)),
        ({"x": lambda event: [*event.x[:-1], 0.75]}, ("x",)),
        ({"model_version": lambda event: "m9"}, ("model_version",)),
        ({"decision_id": lambda event: "another-7"}, ("tip_id", "propensity", "explored")),
    ],
)
def test_what_was_changed_is_named(desk: Desk, change: dict[str, Any], differs: tuple[str, ...]) -> None:
    desk.log.admin(PolicyPromoted(policy="linucb", params={"epsilon": 1.0}))
    desk.learn(pulls=3)
    event = desk.decide("d")
    changed = event.model_copy(update={name: value(event) for name, value in change.items()})
    finding = desk.check(changed)
    assert finding.verdict == "mismatched"
    assert set(finding.differences) <= set(differs)
    assert finding.differences


def test_other_sums_are_a_mismatch(desk: Desk) -> None:
    desk.learn()
    event = desk.decide("d")
    assert desk.check(event, Sums.empty(len(event.x))).verdict == "mismatched"


def test_another_kernel_may_differ_in_the_last_digits_only(desk: Desk) -> None:
    desk.learn()
    event = desk.decide("d")
    scores = [score * (1 + 1e-13) for score in event.score]
    theirs = event.model_copy(update={"kernel": "cholesky.v1/other", "score": scores})
    assert desk.check(theirs) == Finding("close")
    far = theirs.model_copy(update={"score": [score + 1e-6 for score in event.score]})
    assert desk.check(far) == Finding("mismatched", ("score",))


def test_what_the_log_does_not_hold_is_said(desk: Desk) -> None:
    event = desk.decide("d").model_copy(update={"catalog_seq": 2})
    finding = desk.check(event)
    assert finding.verdict == "mismatched"
    assert "'plan'" in finding.differences[0]


def test_an_external_decision_is_not_recomputed(desk: Desk) -> None:
    event = desk.decide("d").model_copy(update={"external": True})
    assert desk.check(event) == Finding("external")


@pytest.mark.parametrize(
    ("candidates", "field"),
    [
        ([], "candidates"),
        (["walk"] * 2, "candidates[1]"),
        (["walk", "nobody's"], "candidates[1]"),
        (["walk", "gone"], "candidates[1]"),
        ([InlineCandidate(tip_id="t", features={"effort": 9.0})], "candidates[0].features.effort"),
        ([InlineCandidate(tip_id="t", features={"colour": 1.0})], "candidates[0].features.colour"),
        ([f"tip-{number}" for number in range(1001)], "candidates"),
    ],
)
def test_candidates_that_cannot_be_shown_are_refused(
    desk: Desk, candidates: list[str | InlineCandidate], field: str
) -> None:
    desk.log.admin(TipPublished(tip_id="gone", title="gone", category="rest", effort=1, minutes=1))
    desk.log.admin(TipRetired(tip_id="gone"))
    with pytest.raises(CallRefused) as refusal:
        desk.decide("d", candidates=candidates)
    assert refusal.value.field == field


@pytest.mark.parametrize(
    ("context", "field"),
    [
        ({"now": "2100-01-01T00:00:00Z"}, "context.now"),
        ({"now": "1970-01-01T00:00:00Z"}, "context.now"),
        ({"now": 5}, "context.now"),
        ({"steps": "many"}, "context.steps"),
        ({"steps": math.nan}, "context.steps"),
        ({"signals": {"steps": {"value": 1, "source": "s"}}}, "context.signals.steps.observed_at"),
    ],
)
def test_a_context_that_cannot_be_read_is_refused(desk: Desk, context: dict[str, Any], field: str) -> None:
    with pytest.raises(CallRefused) as refusal:
        desk.decide("d", context=context)
    assert refusal.value.field == field


def test_a_policy_with_a_broken_parameter_is_refused(desk: Desk) -> None:
    desk.log.admin(PolicyPromoted(policy="linucb", params={"alpha": -1.0}))
    with pytest.raises(CallRefused, match="alpha"):
        desk.decide("d")


def test_looking_at_a_person_changes_nothing(desk: Desk) -> None:
    desk.learn()
    before = orjson.dumps(sorted(desk.log.state.learning.people))
    desk.decider.posteriors.of("nobody", None, PolicyParams(), None)
    assert orjson.dumps(sorted(desk.log.state.learning.people)) == before


def test_a_posterior_is_worked_out_once_for_each_version(desk: Desk) -> None:
    desk.learn(pulls=2)
    computed = desk.decider.posteriors.computed
    for number in range(3):
        desk.decide(f"d{number}")
    desk.log.feedback("helpful")
    desk.decide("e")
    assert desk.decider.posteriors.computed == computed + 2


@steady
@given(
    st.dictionaries(
        st.sampled_from(["steps", "mood", "stress", "sleep_hours", "screen_minutes"]), st.floats(-1e6, 1e6)
    ),
    st.lists(st.sampled_from(list(TIPS)), min_size=1, unique=True),
    st.text(min_size=1, max_size=20, alphabet=st.characters(exclude_categories=["Cs"])),
)
def test_any_decision_survives_the_trip_through_the_log(
    context: dict[str, Any], candidates: list[str], decision_id: str
) -> None:
    desk = Desk()
    desk.learn(pulls=2)
    assert desk.check(desk.decide(decision_id, context=context, candidates=candidates)) == Finding("identical")
