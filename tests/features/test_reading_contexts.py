"""What a context says, what is imputed, and what is refused."""

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from pydantic import TypeAdapter

from contracts.events.person import Context
from ml.features.definitions import WELLBEING_V1
from ml.features.vector import ContextError, read_context
from tests.features.contexts import HOUR_AGO, NOW, TOMORROW, YESTERDAY, context_of, contexts, signal, steady


def factor(context: dict[str, Any], feature: str) -> float:
    return float(read_context(WELLBEING_V1, context).factors[WELLBEING_V1.columns[feature]])


@given(contexts)
@steady
def test_what_was_read_reads_the_same_again_also_from_the_log(context: dict[str, Any]) -> None:
    first = read_context(WELLBEING_V1, context)
    for read in (first.read, json.loads(json.dumps(first.read))):
        again = read_context(WELLBEING_V1, read)
        assert again.factors.tobytes() == first.factors.tobytes()
        assert (again.missing, again.stale_sources, again.read) == (first.missing, first.stale_sources, first.read)
        assert again.ignored == ()
    TypeAdapter(Context).validate_python(first.read, strict=True)


@given(contexts)
@steady
def test_every_context_factor_lies_between_minus_one_and_one(context: dict[str, Any]) -> None:
    factors = read_context(WELLBEING_V1, context).factors
    assert factors.dtype == np.float64
    assert factors.shape == (16,)
    assert np.abs(factors).max() <= 1


@given(contexts)
@steady
def test_a_feature_whose_signals_are_all_imputed_has_its_default(context: dict[str, Any]) -> None:
    vector = read_context(WELLBEING_V1, context)
    assert set(vector.missing) <= {name for readers in WELLBEING_V1.readers.values() for name in readers}
    for feature in WELLBEING_V1.features:
        if feature.signals and not vector.read["signals"].keys() & {signal.name for signal in feature.signals}:
            assert feature.name in vector.missing
            assert vector.factors[WELLBEING_V1.columns[feature.name]] == feature.default == 0.0


def test_without_signals_every_feature_that_reads_one_is_missing() -> None:
    vector = read_context(WELLBEING_V1, {"now": NOW})
    assert vector.missing == ("meetings_duration", "sedentary_movement", "sleep_effort", "strain_calm")
    assert vector.stale_sources == ()
    assert vector.read == {"now": NOW, "signals": {}}


def test_a_fresh_signal_is_not_missing_and_counts_on_its_scale() -> None:
    context = context_of(sleep_hours=signal(8.5))
    assert "sleep_effort" not in read_context(WELLBEING_V1, context).missing
    assert factor(context, "sleep_effort") == 0.5


@pytest.mark.parametrize(("value", "scaled"), [(-3, -1.0), (4, -1.0), (7, 0.0), (10, 1.0), (99, 1.0)])
def test_a_signal_is_clipped_to_its_bounds(value: float, scaled: float) -> None:
    assert factor(context_of(sleep_hours=signal(value)), "sleep_effort") == scaled


def test_one_imputed_signal_of_two_makes_the_feature_missing_and_keeps_the_other() -> None:
    context = context_of(stress=signal(5))
    assert "strain_calm" in read_context(WELLBEING_V1, context).missing
    assert factor(context, "strain_calm") == 0.5


@pytest.mark.parametrize(
    ("observed_at", "missing"),
    [("2026-01-29T20:30:00Z", False), ("2026-01-29T20:29:59.999999Z", True), (TOMORROW, False)],
)
def test_a_signal_is_imputed_once_it_is_older_than_its_maximum_age(observed_at: str, missing: bool) -> None:
    vector = read_context(WELLBEING_V1, context_of(sleep_hours=signal(8, observed_at=observed_at)))
    assert ("sleep_effort" in vector.missing) is missing
    assert vector.stale_sources == ()


@pytest.mark.parametrize(("token", "stale"), [(None, ()), (TOMORROW, ()), (NOW, ("watch",)), (YESTERDAY, ("watch",))])
def test_a_token_that_has_expired_by_now_makes_its_source_stale(token: str | None, stale: tuple[str, ...]) -> None:
    vector = read_context(WELLBEING_V1, context_of(sleep_hours=signal(8, token=token)))
    assert vector.stale_sources == stale
    assert ("sleep_effort" in vector.missing) is bool(stale)


def test_a_stale_source_is_named_once() -> None:
    vector = read_context(
        WELLBEING_V1, context_of(stress=signal(4, "mood", token=NOW), mood=signal(2, "mood", token=NOW))
    )
    assert vector.stale_sources == ("mood",)


def test_a_number_beside_now_is_a_signal_of_the_caller_and_wins_over_the_stored_one() -> None:
    vector = read_context(WELLBEING_V1, {**context_of(sleep_hours=signal(4, token=YESTERDAY)), "sleep_hours": 10})
    assert vector.read["signals"] == {"sleep_hours": {"value": 10.0, "source": "caller", "observed_at": NOW}}
    assert "sleep_effort" not in vector.missing
    assert vector.stale_sources == ()
    assert vector.factors[WELLBEING_V1.columns["sleep_effort"]] == 1.0


def test_what_no_feature_reads_is_named_and_left_out_of_the_log() -> None:
    vector = read_context(WELLBEING_V1, {**context_of(weather=signal(3)), "city": "Oslo", "steps": 1})
    assert vector.ignored == ("city", "signals.weather")
    assert vector.read["signals"].keys() == {"steps"}


@pytest.mark.parametrize(
    ("now", "morning", "evening", "weekend"),
    [
        ("2026-01-30T09:00:00Z", 1.0, 0.0, 0.0),
        ("2026-01-30T11:30:00Z", 0.5, 0.0, 0.0),
        ("2026-01-30T02:00:00Z", 0.0, 0.0, 0.0),
        ("2026-01-31T20:00:00Z", 0.0, 1.0, 1.0),
        ("2026-02-01T23:59:59Z", 0.0, 1 - 14399 / 18000, 1.0),
        ("2026-02-02T00:30:00Z", 0.0, 1 - 16200 / 18000, 0.0),
        ("2026-02-02T00:30:00-05:00", 0.0, 1 - 16200 / 18000, 0.0),
    ],
)
def test_the_clock_is_read_where_the_caller_is(now: str, morning: float, evening: float, weekend: float) -> None:
    context = {"now": now}
    assert factor(context, "morning_effort") == morning
    assert factor(context, "evening_calm") == evening
    assert factor(context, "weekend_social") == weekend


@pytest.mark.parametrize(
    ("context", "field"),
    [
        ([], "context"),
        ({}, "context.now"),
        ({"now": None}, "context.now"),
        ({"now": 1769848200}, "context.now"),
        ({"now": "noon"}, "context.now"),
        ({"now": "2026-01-31T08:30:00"}, "context.now"),
        ({"now": NOW, "signals": [1]}, "context.signals"),
        ({"now": NOW, "signals": None}, "context.signals"),
        ({"now": NOW, "steps": "many"}, "context.steps"),
        ({"now": NOW, "steps": None}, "context.steps"),
        ({"now": NOW, "steps": True}, "context.steps"),
        ({"now": NOW, "steps": 10**400}, "context.steps"),
        (context_of(steps=5000), "context.signals.steps"),
        (context_of(steps=signal(math.nan)), "context.signals.steps.value"),
        (context_of(steps=signal(-math.inf)), "context.signals.steps.value"),
        (context_of(steps=signal("5000")), "context.signals.steps.value"),
        (context_of(steps=signal([1])), "context.signals.steps.value"),
        (context_of(steps={"source": "watch", "observed_at": HOUR_AGO}), "context.signals.steps.value"),
        (context_of(steps=signal(1, source=7)), "context.signals.steps.source"),
        (context_of(steps=signal(1, observed_at="late")), "context.signals.steps.observed_at"),
        (context_of(steps=signal(1, observed_at=None)), "context.signals.steps.observed_at"),
        (context_of(steps=signal(1, token=0)), "context.signals.steps.token_expires_at"),
    ],
)
def test_a_bad_context_is_refused_with_the_path_of_what_is_wrong(context: Any, field: str) -> None:
    with pytest.raises(ContextError) as caught:
        read_context(WELLBEING_V1, context)
    assert caught.value.field == field
    assert str(caught.value).startswith(f"{field} ")


def test_the_factors_can_not_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="read-only"):
        read_context(WELLBEING_V1, {"now": NOW}).factors[0] = 2
