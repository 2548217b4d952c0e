"""Contexts for the tests of this folder, by hand and by Hypothesis."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from ml.features.definitions import WELLBEING_V1

steady = settings(deadline=None, derandomize=True)

NOW = "2026-01-31T08:30:00Z"  # a Saturday
HOUR_AGO = "2026-01-31T07:30:00Z"
YESTERDAY = "2026-01-30T08:30:00Z"
TOMORROW = "2026-02-01T08:30:00Z"


def signal(value: Any, source: Any = "watch", observed_at: Any = HOUR_AGO, token: Any = None) -> dict[str, Any]:
    """One signal as the online feature view holds it."""
    return {"value": value, "source": source, "observed_at": observed_at, "token_expires_at": token}


def context_of(**signals: Any) -> dict[str, Any]:
    """A context at NOW with these signals."""
    return {"now": NOW, "signals": signals}


def _moments() -> st.SearchStrategy[str]:
    offsets = st.sampled_from([UTC, timezone(timedelta(hours=2)), timezone(-timedelta(hours=9, minutes=30))])
    return st.datetimes(datetime(2025, 12, 1), datetime(2026, 3, 1), timezones=offsets).map(datetime.isoformat)


_values = st.floats(-1e6, 1e6) | st.integers(-(10**6), 10**6)
_entries = st.fixed_dictionaries(
    {"value": _values, "source": st.sampled_from(["watch", "phone", "mood"]), "observed_at": _moments()},
    optional={"token_expires_at": st.none() | _moments(), "unit": st.just("h")},
)
_names = st.sampled_from([*WELLBEING_V1.signals, "weather"])

contexts: st.SearchStrategy[dict[str, Any]] = st.builds(
    lambda now, signals, flat: {**flat, "now": now, "signals": signals},
    _moments(),
    st.dictionaries(_names, _entries),
    st.dictionaries(_names, _values, max_size=2),
)
"""Readable contexts of all kinds: absent, old, expired, out of bounds, overridden and unknown signals."""
