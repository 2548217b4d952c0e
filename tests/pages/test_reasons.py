"""The sentence that says why a tip was chosen: it follows what spoke for it, and claims nothing else."""

from typing import Any

import pytest

from console.reasons import BY_CHANCE, LEARNING, ON_THE_WHOLE, SENTENCES, reason_for
from ml.features.definitions import CATEGORIES, FEATURE_SETS
from services.api.admin.why import Term, Terms, Why


def why(terms: list[tuple[str, float, float]] | None, *, explored: bool = False, policy: str = "linucb") -> Why:
    """A decision whose terms are (feature, x, theta)."""
    made = [Term(feature=name, x=x, theta=theta, contribution=x * theta) for name, x, theta in terms or ()]
    decision: Any = Why.model_fields["decision"].annotation
    logged = decision.model_construct(explored=explored, policy=policy)
    shown = None if terms is None else Terms(tip_id="t", terms=made, mean=0, bonus=0, score=0)
    given: dict[str, Any] = {"decision": logged, "terms": shown}
    return Why.model_construct(**given)


def test_the_feature_that_spoke_most_for_the_tip_gives_the_sentence() -> None:
    found = why([("bias", 1, 0.9), ("tip_effort", -1, -0.2), ("evening_calm", 0.5, 0.1), ("sleep_effort", 1, -0.8)])
    assert reason_for(found, "rest") == SENTENCES["tip_effort"][1]
    assert reason_for(why([("category_rest", 1, 0.3)]), "rest") == "Tips for rest have gone well with you."


@pytest.mark.parametrize("found", [why([], explored=True), why([("tip_effort", 1, 1)], policy="random")])
def test_a_tip_drawn_by_chance_says_so(found: Why) -> None:
    assert reason_for(found, "rest") == BY_CHANCE


def test_where_nothing_speaks_for_a_tip_nothing_is_claimed() -> None:
    assert reason_for(why([("bias", 1, 0.9), ("tip_effort", 1, -0.5)]), "rest") == LEARNING
    assert reason_for(why(None), "rest") == ON_THE_WHOLE


def test_every_feature_has_its_words() -> None:
    named = {"bias", *SENTENCES, *(f"category_{name}" for name in CATEGORIES)}
    assert {name for feature_set in FEATURE_SETS.values() for name in feature_set.names} <= named
    assert all(sentence.endswith(".") for pair in SENTENCES.values() for sentence in pair)
