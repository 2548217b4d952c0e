"""Where a decision's values came from is told by the same rules that the features were made by."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.times import HOUR_US, format_time, parse_time
from ml.features.definitions import WELLBEING_V1
from ml.features.origins import marks, origins
from ml.features.vector import ContextError, read_context

NOW_US = parse_time("2026-03-01T08:00:00Z")


def signal(hours_ago: float, expires_in: float | None = None, source: str = "phone") -> dict[str, Any]:
    """A signal of 1 that was observed some hours ago."""
    told = {"value": 1.0, "source": source, "observed_at": format_time(NOW_US - int(hours_ago * HOUR_US))}
    if expires_in is not None:
        told["token_expires_at"] = format_time(NOW_US + int(expires_in * HOUR_US))
    return told


def context(**signals: dict[str, Any]) -> dict[str, Any]:
    return {"now": format_time(NOW_US), "signals": signals}


def test_each_signal_says_whether_it_counted_and_why_not() -> None:
    told = context(
        steps=signal(1, source="watch"), mood=signal(13), sleep_hours=signal(1, expires_in=0), stress=signal(1, 1)
    )
    found = {origin.signal.name: origin for origin in origins(WELLBEING_V1, told)}
    assert {name: origin.imputed for name, origin in found.items()} == {
        "meetings_left": "absent", "screen_minutes": "absent", "steps": None, "sleep_hours": "expired", "stress": None,
        "mood": "old",
    }  # fmt: skip
    assert (found["steps"].source, found["steps"].observed_us) == ("watch", NOW_US - HOUR_US)
    assert found["sleep_hours"].expires_us == NOW_US


def test_a_feature_is_stale_when_a_token_had_expired_and_missing_otherwise() -> None:
    told = context(stress=signal(1, expires_in=-1), sleep_hours=signal(50))
    vector = read_context(WELLBEING_V1, told)
    assert marks(WELLBEING_V1, told, vector.missing) == {
        "meetings_duration": "missing", "sedentary_movement": "missing", "sleep_effort": "missing",
        "strain_calm": "stale",
    }  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from(list(WELLBEING_V1.signals)),
        st.builds(signal, st.floats(0, 60), st.none() | st.floats(-2, 2)),
    )
)
def test_what_is_imputed_is_what_the_features_call_missing(signals: dict[str, Any]) -> None:
    told = context(**signals)
    vector = read_context(WELLBEING_V1, told)
    imputed = {origin.signal.name for origin in origins(WELLBEING_V1, told) if origin.imputed}
    missing = {name for signal_name in imputed for name in WELLBEING_V1.readers[signal_name]}
    assert missing == set(vector.missing)
    # What is logged reads to the same.
    assert origins(WELLBEING_V1, vector.read) == origins(WELLBEING_V1, told)


def test_a_context_that_cannot_be_read_is_refused_and_marks_nothing_stale() -> None:
    with pytest.raises(ContextError, match=r"context\.now"):
        origins(WELLBEING_V1, {})
    assert marks(WELLBEING_V1, {}, ["sleep_effort"]) == {"sleep_effort": "missing"}
    assert marks(None, {}, ["colour"]) == {"colour": "missing"}
