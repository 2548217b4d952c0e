"""Past decisions are made again from the tables alone, with what was known then and nothing that came later."""

from typing import Any

import numpy as np
import pytest

from contracts.events.catalog import TipPublished, TipRetired
from contracts.events.person import InlineCandidate
from contracts.times import HOUR_US
from ml.features.definitions import WELLBEING_V1
from ml.features.vector import matrix_digest, read_context
from ml.offline.decisions import offline_decisions
from tests.offline.conftest import Offline, Tables
from tests.offline.served import online, serve, served
from tests.projections.office import TIPS, Office


def test_a_decision_is_made_again_with_the_context_and_matrix_that_were_logged(
    office: Office, offline: Offline
) -> None:
    logged = served(office, "d1")
    again = offline(office.log)["d1"]
    assert again.context == logged.context
    assert again.proven
    assert again.matrix is not None
    assert again.matrix[again.chosen].tolist() == logged.x
    assert (again.standing, again.known_seq, again.supplied) == ("exact", logged.model_seq, 0)


def test_a_late_signal_does_not_leak_into_the_past(office: Office, offline: Offline) -> None:
    before = office.log.now_us - HOUR_US // 2
    logged = served(office, "d1")
    office.log.wait(hours=1)
    office.log.signal({"steps": 11_000.0, "sleep_hours": 5.0}, source="steps", observed_us=before)
    served(office, "d2")
    decisions = offline(office.log)
    assert decisions["d1"].context == logged.context
    assert decisions["d1"].context["signals"]["steps"]["value"] == 3000.0
    assert decisions["d2"].context["signals"]["steps"]["value"] == 11_000.0
    assert all(decision.proven and decision.standing == "exact" for decision in decisions.values())
    leaked = {**logged.context, "signals": decisions["d2"].context["signals"]}
    assert not np.array_equal(
        read_context(WELLBEING_V1, leaked).factors, read_context(WELLBEING_V1, logged.context).factors
    ), "a join on when it happened would have given this decision another vector"


def test_a_value_that_was_observed_before_the_one_that_is_held_never_counts(office: Office, offline: Offline) -> None:
    office.log.signal({"steps": 9000.0}, source="steps", observed_us=office.log.now_us - 5 * HOUR_US)
    served(office, "d1")
    decision = offline(office.log)["d1"]
    assert decision.context["signals"]["steps"]["value"] == 3000.0
    assert decision.proven


def test_a_read_model_that_was_behind_is_met_where_it_stood(office: Office, offline: Offline) -> None:
    rows, at = online(office.log), office.log.seq
    office.log.signal({"steps": 9000.0}, source="steps")
    office.log.signal({"mood": 1.0}, source="mood")
    logged = served(office, "d1", rows=rows)
    decision = offline(office.log)["d1"]
    assert decision.context == logged.context
    assert decision.proven
    assert (decision.standing, decision.known_seq) == ("behind", at)


def test_a_read_model_that_was_ahead_of_the_scorer_is_met_where_it_stood(office: Office, offline: Offline) -> None:
    scorer_at = office.log.seq
    office.log.signal({"steps": 9000.0}, source="steps")
    decision = serve(office, "d1").model_copy(update={"model_seq": scorer_at})
    office.append(decision)
    again = offline(office.log)["d1"]
    assert again.context == decision.context
    assert (again.standing, again.known_seq, again.proven) == ("ahead", scorer_at + 1, True)


@pytest.mark.parametrize(
    "given",
    [
        {"steps": 500},
        {"signals": {"mood": {"value": 2, "source": "watch", "observed_at": "2026-03-01T09:00:00+02:00"}}},
        {"now": "2026-03-01T20:00:00+02:00", "stress": 4.5},
    ],
)
def test_what_the_caller_knew_better_is_taken_as_it_was_logged(
    office: Office, offline: Offline, given: dict[str, Any]
) -> None:
    logged = served(office, "d1", given=given)
    decision = offline(office.log)["d1"]
    assert decision.context == logged.context
    assert (decision.standing, decision.supplied, decision.proven) == ("exact", 1, True)


def test_a_context_that_the_stream_never_told_is_taken_as_it_was_logged(office: Office, offline: Offline) -> None:
    # Sleep was told after steps: who knew of one had to know of the other.
    logged = served(office, "d1", rows=[row for row in online(office.log) if row["name"] == "sleep_hours"])
    decision = offline(office.log)["d1"]
    assert decision.context == logged.context
    assert list(decision.context["signals"]) == ["sleep_hours"]
    assert (decision.standing, decision.proven) == ("untraced", True)


def test_tips_are_as_the_catalog_had_them_and_as_the_caller_described_them(office: Office, offline: Offline) -> None:
    own = InlineCandidate(tip_id="own", features={"category": "rest", "minutes": 45, "sleep_effort": 0.5})
    changed = InlineCandidate(tip_id=TIPS[0], features={"effort": 1})
    served(office, "d1")
    served(office, "d2", candidates=[changed, own, TIPS[1]])
    tip = TipPublished(tip_id=TIPS[0], title="Another", category="social", effort=5, minutes=480)
    office.log.admin(tip)
    served(office, "d3")
    office.log.admin(TipRetired(tip_id=TIPS[0]))
    decisions = offline(office.log)
    assert [decision.proven for decision in decisions.values()] == [True] * 3
    assert decisions["d1"].x_digest != decisions["d3"].x_digest


def test_what_cannot_be_made_again_is_not_proven(office: Office, offline: Offline) -> None:
    served(office, "d1")
    office.append(serve(office, "d2").model_copy(update={"x_digest": "0" * 64}))
    office.append(serve(office, "d3").model_copy(update={"catalog_seq": 1}))
    office.append(serve(office, "d4").model_copy(update={"context": {"now": "noon"}}))
    decisions = offline(office.log)
    assert [one.proven for one in decisions.values()] == [True, False, False, False]
    assert decisions["d2"].problem is None
    assert "was not in the catalog at 1" in str(decisions["d3"].problem)
    assert "context.now" in str(decisions["d4"].problem)


def test_decisions_come_in_stream_order_within_a_span_and_only_our_own(office: Office, tables: Tables) -> None:
    served(office, "d1")
    served(office, "d2")
    served(office, "d3", user="bob")
    office.log.feedback("done", decision_id="d2")
    office.log.scored("eve", "theirs", external=True)
    with tables(office.log).cursor() as cursor:
        found = list(offline_decisions(cursor, WELLBEING_V1))
        span = list(offline_decisions(cursor, WELLBEING_V1, found[1].seq, found[1].seq))
        assert list(offline_decisions(cursor, WELLBEING_V1, 10**6)) == []
    assert [one.decision_id for one in found] == ["d1", "d2", "d3"]
    assert [one.reward for one in found] == [None, 1.0, None]
    assert [one.decision_id for one in span] == ["d2"]


def test_an_erased_person_is_in_no_row(office: Office, offline: Offline) -> None:
    served(office, "d1")
    served(office, "d2", user="bob")
    office.log.erase("ann")
    office.log.signal({"steps": 100.0}, source="steps")
    served(office, "d4")
    decisions = offline(office.log)
    assert set(decisions) == {"d2", "d4"}
    assert decisions["d4"].context["signals"]["steps"]["value"] == 100.0
    assert matrix_digest(decisions["d4"].matrix) == decisions["d4"].x_digest  # type: ignore[arg-type]
