"""The streams of `policies`, the learners on them, and its table."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import policies
from benchmarks.bandit_streams import CLASSIFICATIONS, classification
from benchmarks.learners import COUNTERPARTS, makers
from benchmarks.options import Options


@pytest.mark.parametrize("name", CLASSIFICATIONS)
def test_one_arm_of_each_round_pays_and_each_arm_has_features_of_its_own(name: str) -> None:
    stream = classification(name, seed=1, rounds=40)
    assert (stream.rewards.sum(axis=1) == 1.0).all()
    x, k = stream.matrix(0), stream.rewards.shape[1]
    assert x.shape == (k, k * stream.contexts.shape[1])
    assert np.array_equal(x @ x.T, np.diag(np.diag(x @ x.T)))
    again, other = (classification(name, seed=seed, rounds=40) for seed in (1, 2))
    assert np.array_equal(stream.contexts, again.contexts)
    assert not np.array_equal(stream.contexts, other.contexts)


def test_without_a_floor_our_linucb_chooses_what_mabwiser_s_does() -> None:
    """A block an arm is the disjoint LinUCB; only the first round, which MABWiser can't be asked about, is given."""
    stream = classification("wine", seed=1, rounds=60)
    ours, theirs = (makers()[name](stream, 1) for name in ("linucb", COUNTERPARTS["linucb"]))
    for at in range(60):
        arm = theirs.choose(at)
        assert at < 3 or ours.choose(at) == arm
        for learner in (ours, theirs):
            learner.learn(at, arm, float(stream.rewards[at, arm]))


def test_the_table_has_every_learner_on_every_stream() -> None:
    (table,) = asyncio.run(policies.run(replace(Options.quick(), rounds=30)))
    assert list(table.columns) == ["learner", *CLASSIFICATIONS, "demo's people"]
    assert [row[0] for row in table.rows] == list(makers())
    assert {"linucb", "lints", "epsilon_greedy", *COUNTERPARTS.values()} <= set(makers())
    assert all(" ± " in str(cell) for row in table.rows for cell in row[1:])
