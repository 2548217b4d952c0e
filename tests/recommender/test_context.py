"""The context of a decision: what the stream told, and what the caller knows better."""

from typing import Any

import pytest

from contracts.times import HOUR_US, format_time, parse_time
from services.recommender.context import context_of
from services.recommender.errors import Refused

NOW = parse_time("2026-03-04T09:00:00Z")


def row(name: str, value: float, *, age_h: int = 1, expires_us: int | None = None) -> dict[str, Any]:
    return {
        "name": name, "value": value, "source": "phone", "observed_at": NOW - age_h * HOUR_US,
        "token_expires_at": expires_us,
    }  # fmt: skip


def test_what_the_stream_told_is_read_with_its_source_and_times() -> None:
    context, ignored = context_of([row("steps", 5000.0, expires_us=NOW + HOUR_US)], {}, NOW)
    assert context["now"] == format_time(NOW)
    assert context["signals"]["steps"] == {
        "value": 5000.0, "source": "phone", "observed_at": "2026-03-04T08:00:00.000000Z",
        "token_expires_at": "2026-03-04T10:00:00.000000Z",
    }  # fmt: skip
    assert ignored == ()


def test_a_flat_number_of_the_caller_wins_over_the_stream() -> None:
    context, _ = context_of([row("steps", 5000.0)], {"steps": 10}, NOW)
    assert context["signals"]["steps"]["value"] == 10
    assert context["signals"]["steps"]["source"] == "caller"


def test_a_whole_signal_of_the_caller_wins_over_the_stream() -> None:
    mine = {"value": 2.0, "source": "diary", "observed_at": "2026-03-04T08:59:00Z"}
    context, _ = context_of([row("mood", 4.0)], {"signals": {"mood": mine}}, NOW)
    assert context["signals"]["mood"]["source"] == "diary"


def test_the_callers_clock_is_kept_with_its_offset() -> None:
    assert context_of([], {"now": "2026-03-04T11:00:00+02:00"}, NOW)[0]["now"] == "2026-03-04T11:00:00+02:00"


def test_what_no_feature_reads_is_named_only_when_the_caller_sent_it() -> None:
    _, ignored = context_of([row("heart_rate", 60.0)], {"weather": "rain", "signals": {"luck": {}}, "\ud800": 1}, NOW)
    assert ignored == ("weather", "?", "signals.luck")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"steps": float("nan")}, "context.steps"),
        ({"steps": "many"}, "context.steps"),
        ({"steps": 10**400}, "context.steps"),
        ({"now": "yesterday"}, "context.now"),
        ({"now": "1970-01-01T00:00:00Z"}, "context.now"),
        ({"now": "2100-01-01T00:00:00Z"}, "context.now"),
        ({"signals": []}, "context.signals"),
        ({"signals": {"steps": 3}}, "context.signals.steps"),
        ({"signals": {"steps": {"value": 3, "source": "a"}}}, "context.signals.steps.observed_at"),
        (
            {"signals": {"steps": {"value": 3, "source": "\ud800", "observed_at": "2026-03-04T08:00:00Z"}}},
            "context.signals.steps.source",
        ),
    ],
)
def test_a_context_that_cannot_be_read_is_refused_by_the_name_of_the_field(given: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refused:
        context_of([], given, NOW)
    assert [name for name, _ in refused.value.errors] == [field]
