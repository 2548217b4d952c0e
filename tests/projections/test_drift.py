"""The population stability index of features and signals, against sums worked out by hand."""

from math import log

import pytest

from projections.reports.drift import MOST
from tests.folds.log import Log
from tests.projections.reported import Reported

WINDOW = {"since": "2026-03-02T00:00:00Z", "until": "2026-03-03T00:00:00Z"}


def decide(log: Log, value: float, *, signal: float | None = None, times: int = 1) -> None:
    """Decisions with one feature and perhaps one signal."""
    signals = {} if signal is None else {"steps": {"value": signal, "source": "steps", "observed_at": "x"}}
    for _ in range(times):
        log.scored(features={"f": value, "bias": 1.0}, context={"now": "x", "signals": signals})


def by_name(rows: list[dict[str, object]]) -> dict[object, dict[str, object]]:
    return {row["name"]: row for row in rows}


async def test_psi_is_the_sum_over_the_bins_of_the_reference(reported: Reported) -> None:
    decide(reported.log, 0.0, times=60)
    decide(reported.log, 1.0, times=20)
    reported.log.wait(days=1)
    decide(reported.log, 0.0, times=10)
    decide(reported.log, 1.0, times=30)
    found = by_name(await reported.rows("drift", **WINDOW))
    before, now = (60.5 / 81, 20.5 / 81), (10.5 / 41, 30.5 / 41)
    psi = sum((q - p) * log(q / p) for p, q in zip(before, now, strict=True))
    assert found["f"]["psi"] == pytest.approx(psi)
    assert found["f"]["by_chance"] == pytest.approx(1 / 80 + 1 / 40)
    assert found["f"]["band"] == "significant"
    assert (found["f"]["bins"], found["f"]["reference_values"], found["f"]["window_values"]) == (2, 80, 40)
    assert (found["f"]["reference_mean"], found["f"]["window_mean"]) == (0.25, 0.75)
    assert (found["bias"]["psi"], found["bias"]["band"], found["bias"]["bins"]) == (0.0, "stable", 1)


async def test_values_past_the_reference_s_last_decile_have_a_bin_of_their_own(reported: Reported) -> None:
    for step in range(200):
        decide(reported.log, step / 200, signal=50.0 * step)
    reported.log.wait(days=1)
    for step in range(200):
        decide(reported.log, step / 200, signal=50.0 * step + 5000)
    found = by_name(await reported.rows("drift", **WINDOW))
    assert (found["f"]["kind"], found["f"]["bins"], found["f"]["psi"]) == ("feature", 10, 0.0)
    assert (found["steps"]["kind"], found["steps"]["bins"], found["steps"]["band"]) == ("signal", 10, "significant")
    assert (found["steps"]["reference_mean"], found["steps"]["window_mean"]) == (4975.0, 9975.0)


async def test_the_reference_may_be_the_sequences_that_a_model_was_trained_on(reported: Reported) -> None:
    decide(reported.log, 1.0, times=40)
    decide(reported.log, 0.0, times=40)
    reported.log.wait(days=1)
    decide(reported.log, 1.0, times=40)
    # In the stream StreamStarted comes first: the first forty decisions stand at 2 to 41.
    trained_on_ones = by_name(await reported.rows("drift", **WINDOW, first_seq=2, last_seq=41))
    trained_on_zeros = by_name(await reported.rows("drift", **WINDOW, first_seq=42, last_seq=81))
    assert (trained_on_ones["f"]["psi"], trained_on_ones["f"]["reference_values"]) == (0.0, 40)
    assert trained_on_zeros["f"]["band"] == "significant"


async def test_a_few_values_tell_nothing(reported: Reported) -> None:
    decide(reported.log, 0.0, times=6)
    reported.log.wait(days=1)
    decide(reported.log, 1.0, times=6)
    found = by_name(await reported.rows("drift", **WINDOW))
    assert (found["f"]["band"], found["bias"]["band"]) == ("unclear", "stable")


async def test_without_a_reference_there_is_nothing_to_compare(reported: Reported) -> None:
    decide(reported.log, 1.0, times=3)
    assert await reported.rows("drift") == []
    assert await reported.rows("drift", **WINDOW) == []


async def test_decisions_of_somebody_else_s_log_do_not_count(reported: Reported) -> None:
    decide(reported.log, 1.0)
    reported.log.scored("eve", external=True, features={"f": 5.0, "colour": "red"})
    reported.log.wait(days=1)
    decide(reported.log, 1.0)
    found = by_name(await reported.rows("drift", **WINDOW))
    assert set(found) == {"f", "bias"}
    assert found["f"]["reference_values"] == 1


async def test_of_many_decisions_a_part_is_taken_that_stays_the_same(reported: Reported) -> None:
    decide(reported.log, 0.0)
    reported.log.wait(days=1)
    decide(reported.log, 1.0)
    assert by_name(await reported.rows("drift", **WINDOW))["f"]["window_values"] == 1
    many = 3 * MOST
    reported.sink.connection.execute(
        f"INSERT INTO tip_scores SELECT t.* REPLACE (t.decision_id || '-' || i AS decision_id) "
        f"FROM tip_scores t, range({many}) r(i) WHERE (t.features->>'f')::DOUBLE = 1"
    )
    found = by_name(await reported.rows("drift", **WINDOW))
    assert (found["f"]["reference_values"], found["f"]["window_mean"]) == (1, 1.0)
    assert found["f"]["window_values"] == pytest.approx(many / 4, rel=0.02)
    assert found == by_name(await reported.rows("drift", **WINDOW))
