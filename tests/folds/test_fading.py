"""Sums that fade: what a forgetting factor makes of pulls and corrections, and that without one nothing changes."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.envelope import Recorded
from contracts.events.admin import BanditReset, PolicyEnabled, PolicyShadowed
from contracts.feature_sets import CURRENT
from projections.audit import Past
from projections.folds.learning import Floats, Sums, power
from projections.folds.projection import State, advance
from tests.folds.log import DECODER, Log, X, digests, fold_all
from tests.folds.stories import PERSONAL, Act, stories
from tests.folds.test_properties import thorough

GAMMA = 0.75
OTHER = tuple(0.125 * number for number in range(16))
SHADOW = PolicyShadowed(policy="lints", params={"gamma": GAMMA})


def faded(log: Log, gamma: float = GAMMA, user: str = "ann") -> Sums:
    return log.state.learning.people[user].faded[CURRENT][gamma]


def test_a_pull_fades_those_before_it(log: Log) -> None:
    log.admin(SHADOW)
    log.scored(decision_id="d1", x=X)
    log.scored(decision_id="d2", x=OTHER)
    log.feedback("done", decision_id="d1")
    log.feedback("helpful", decision_id="d2")
    x, other = np.array(X), np.array(OTHER)
    assert np.array_equal(faded(log).s, GAMMA * np.outer(x, x) + np.outer(other, other))
    assert np.array_equal(faded(log).c, GAMMA * x + 0.5 * other)
    row = log.row("bandit_stats", "ann", CURRENT, GAMMA)
    assert (row["pulls"], row["cumulative_reward"], row["state_version"]) == (2, 1.5, 2)
    assert row["s"] == faded(log).s.tobytes()


def test_a_correction_counts_as_much_as_its_pull_still_does(log: Log) -> None:
    log.admin(SHADOW)
    for number in range(4):
        log.scored(decision_id=f"d{number}", x=OTHER if number else X)
        log.feedback("snoozed", decision_id=f"d{number}")
    log.feedback("done", decision_id="d0")
    assert np.array_equal(faded(log).c, GAMMA**3 * np.array(X))
    assert log.learned() == (5, 4, 1.0)


def test_what_was_learned_before_a_gamma_was_named_begins_to_fade_with_the_next_pull(log: Log) -> None:
    for number in range(3):
        log.scored(decision_id=f"d{number}")
        log.feedback("snoozed", decision_id=f"d{number}")
    log.admin(SHADOW)
    person, x = log.state.learning.people["ann"], np.array(X)
    assert person.faded == {}
    assert person.at(CURRENT, GAMMA) is person.sums[CURRENT]
    log.scored(decision_id="d3")
    log.feedback("snoozed", decision_id="d3")
    assert np.array_equal(faded(log).s, (3 * GAMMA + 1) * np.outer(x, x))
    log.feedback("done", decision_id="d0")
    assert np.array_equal(faded(log).c, GAMMA * x), "one pull later, however many there were before"


def test_a_reset_forgets_what_fades_too(log: Log) -> None:
    log.admin(SHADOW)
    log.scored()
    log.feedback("done")
    log.reset()
    row = log.row("bandit_stats", "ann", CURRENT, GAMMA)
    assert (row["pulls"], row["state_version"]) == (0, 2)
    assert not np.frombuffer(row["s"]).any()
    log.scored()
    log.feedback("done")
    assert np.array_equal(faded(log).c, np.array(X))


@pytest.mark.parametrize("gamma", [1.0, 0.1, -1.0, 2.0])
def test_what_forgets_nothing_or_is_out_of_range_keeps_no_sums(log: Log, gamma: float) -> None:
    log.admin(PolicyEnabled(policy="linucb", params={"gamma": gamma}))
    log.scored()
    log.feedback("done")
    assert log.state.policies.gammas == ()
    assert log.state.learning.people["ann"].faded == {}


@given(st.floats(0.5, 1.0), st.integers(0, 3000))
def test_a_power_is_the_product(gamma: float, exponent: int) -> None:
    assert power(gamma, exponent) == pytest.approx(gamma**exponent, rel=1e-12, abs=1e-300)


def names(gamma: float) -> Act:
    return lambda log: log.admin(PolicyShadowed(policy="lints", params={"gamma": gamma}), event_id=f"p{log.seq}")


NAMED = st.sampled_from([0.5, GAMMA, 0.99]).map(names)
LIVES = stories(PERSONAL | PERSONAL | PERSONAL | NAMED, max_size=60)


@given(LIVES)
@thorough
def test_the_faded_sums_are_those_of_their_definition(log: Log) -> None:
    for (user, gamma), (s, c) in by_definition(log.records).items():
        sums = faded(log, gamma, user)
        assert np.allclose(sums.s, s, rtol=1e-9, atol=1e-9)
        assert np.allclose(sums.c, c, rtol=1e-9, atol=1e-9)
        row = log.row("bandit_stats", user, CURRENT, gamma)
        assert (row["s"], row["c"]) == (sums.s.tobytes(), sums.c.tobytes())


def by_definition(records: Iterable[Recorded]) -> dict[tuple[str, float], tuple[Floats, Floats]]:
    """Σ γ^age x x' and Σ γ^age r x of each person and gamma, from all their pulls at once.

    A pull's age is how many came after it, or after the first that was learned under this gamma if that is fewer.
    """
    state = State()
    pulls: dict[str, list[tuple[str, Floats, float]]] = {}
    begun: dict[tuple[str, float], int] = {}
    for recorded in records:
        step, _ = advance(state, DECODER.decode(recorded))
        for join in step.joins:
            if join.effect == "none":
                continue
            user, one = join.decision.user_id, join.decision
            theirs = pulls.setdefault(user, [])
            for gamma in state.policies.gammas:
                begun.setdefault((user, gamma), len(theirs))
            if join.effect == "pull":
                theirs.append((one.decision_id, np.frombuffer(one.x), 0.0))
            at = [decision_id for decision_id, _, _ in theirs].index(one.decision_id)
            theirs[at] = (*theirs[at][:2], theirs[at][2] + join.delta)
        if step.entry is not None and isinstance(step.entry.event, BanditReset):
            user = step.entry.event.user_id
            pulls[user] = []
            begun = {key: 0 if key[0] == user else first for key, first in begun.items()}
    found = {}
    for (user, gamma), first in begun.items():
        s, c, n = np.zeros((16, 16)), np.zeros(16), len(pulls[user])
        for number, (_, x, reward) in enumerate(pulls[user], 1):
            weight = gamma ** (n - max(number, first))
            s, c = s + weight * np.outer(x, x), c + weight * reward * x
        found[user, gamma] = s, c
    return found


@given(LIVES)
@thorough
def test_a_fresh_fold_and_the_sums_of_any_version_have_the_same_bits(log: Log) -> None:
    _, tables = fold_all(log.records)
    assert digests(tables) == digests(log.tables)
    seen: dict[tuple[str, int, float], bytes] = {}
    past = Past(State())
    for recorded in log.records:
        past.observe(advance(past.state, DECODER.decode(recorded))[0])
        for user, person in past.state.learning.people.items():
            for gamma in (1.0, *past.state.policies.gammas):
                if (sums := person.at(CURRENT, gamma)) is not None:
                    seen[user, person.version, gamma] = sums.s.tobytes() + sums.c.tobytes()
    for (user, version, gamma), raw in seen.items():
        again = past.person_at(user, version).at(CURRENT, gamma)
        assert again is not None
        assert again.s.tobytes() + again.c.tobytes() == raw


@given(LIVES)
@thorough
def test_a_gamma_leaves_the_sums_that_do_not_fade_as_they_are(log: Log) -> None:
    without = [recorded for recorded in log.records if not recorded.subject.startswith("tips.admin.policy")]
    state, _ = fold_all(without)
    assert plain_of(state) == plain_of(log.state)
    assert all(person.faded == {} for person in state.learning.people.values())


def plain_of(state: State) -> dict[str, list[tuple[bytes, bytes, int, float]]]:
    return {
        user: [(one.s.tobytes(), one.c.tobytes(), one.pulls, one.reward) for one in person.sums.values()]
        for user, person in state.learning.people.items()
    }
