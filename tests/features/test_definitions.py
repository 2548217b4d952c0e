"""The definitions can't drift: wellbeing.v1 is pinned, and agrees with what the catalog may publish."""

from typing import get_args

import numpy as np

from contracts.events.catalog import Category
from ml.features.definitions import CATEGORIES, CURRENT, FEATURE_SETS, WELLBEING_V1
from ml.features.feature_set import TipAttributes
from ml.features.vector import candidate_matrix, matrix_digest, read_context, tip_factors
from tests.features.contexts import context_of, signal

PINNED = {
    "bias": 1.0,
    "category_movement": 1.0,
    "category_rest": 0.0,
    "category_mind": 0.0,
    "category_focus": 0.0,
    "category_social": 0.0,
    "category_nutrition": 0.0,
    "tip_effort": 0.5,
    "tip_duration": 1 / 3,
    "morning_effort": 0.45,
    "evening_calm": 0.0,
    "weekend_social": 0.0,
    "meetings_duration": 1 / 6,
    "sedentary_movement": 0.55,
    "sleep_effort": -0.125,
    "strain_calm": 0.0,
}
PINNED_DIGEST = "62c3ed9eb5a7b2922e2a3cd86c39d4a5c71f1281538308b72fa29555dd3290c9"


def pinned_matrix() -> np.typing.NDArray[np.float64]:
    context = context_of(
        meetings_left=signal(3),
        steps=signal(2400),
        screen_minutes=signal(360),
        sleep_hours=signal(6.25),
        stress=signal(4),
        mood=signal(2.5),
    )
    tips = [TipAttributes(name, name, 1 + i % 5, 20) for i, name in enumerate(CATEGORIES, start=3)]
    factors = np.array([tip_factors(WELLBEING_V1, tip) for tip in tips])
    evening = {"now": "2026-02-01T19:20:00Z", "stress": 5, "steps": 11_000}
    return np.vstack([candidate_matrix(factors, read_context(WELLBEING_V1, one).factors) for one in (context, evening)])


def test_wellbeing_v1_gives_the_pinned_numbers() -> None:
    row = dict(zip(WELLBEING_V1.names, pinned_matrix()[0].tolist(), strict=True))
    assert row == PINNED


def test_wellbeing_v1_gives_the_pinned_bits() -> None:
    """When this fails a definition has changed: that is a new feature set, since logged matrices must stay."""
    assert matrix_digest(pinned_matrix()) == PINNED_DIGEST


def test_the_current_set_has_sixteen_features_under_distinct_names() -> None:
    feature_set = FEATURE_SETS[CURRENT]
    assert feature_set.name == CURRENT
    assert feature_set.d == len(set(feature_set.names)) == 16


def test_each_category_that_the_catalog_may_publish_has_a_feature() -> None:
    assert get_args(Category) == CATEGORIES
    assert {f"category_{name}" for name in CATEGORIES} <= set(WELLBEING_V1.names)


def test_signals_come_from_five_sources_and_default_to_zero_within_bounds() -> None:
    signals = WELLBEING_V1.signals
    assert {one.source for one in signals.values()} == {"calendar", "steps", "sleep", "mood", "screen"}
    for one in signals.values():
        low, high = one.bounds
        assert low < one.default < high
        assert one.scaled(one.default) == 0.0


def test_no_feature_or_signal_hides_another_key() -> None:
    assert not {"category", "effort", "minutes"} & set(WELLBEING_V1.names)
    assert not {"now", "signals"} & set(WELLBEING_V1.signals)


def test_a_feature_knows_its_sources_and_the_age_at_which_it_is_imputed() -> None:
    strain = WELLBEING_V1.features[WELLBEING_V1.columns["sedentary_movement"]]
    assert strain.sources == ("screen", "steps")
    assert strain.max_age_s == 24 * 3600
    bias = WELLBEING_V1.features[0]
    assert (bias.sources, bias.max_age_s, bias.default) == ((), None, None)
