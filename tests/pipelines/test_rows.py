"""The rows that a prior is fitted on are the decisions of the log, with what their reactions came to."""

import pytest

from ml.pipelines.rows import TooLittle
from ml.pipelines.segments import UnknownSegment, check_segment
from tests.pipelines.lives import gathered, life


def test_rows_are_our_old_decisions_with_their_rewards() -> None:
    rows = gathered(life().log)
    assert len(rows) == 120
    assert rows.reward[:5].tolist() == [1.0, -0.5, 0.0, 0.5, -0.25]
    assert rows.reacted[:5].tolist() == [True, True, False, True, True]
    assert set(rows.person.tolist()) == {0.0}
    assert (rows.x[:, 0] == 1.0).all()
    assert len(rows.fitted_on) == 96


def test_a_person_is_cold_at_first_and_then_warm() -> None:
    labels = [row[0] for row in gathered(life().log).labels]
    assert labels[0] == "people: cold"
    assert labels[-1] == "people: warm"
    assert labels == sorted(labels)


def test_young_decisions_count_only_when_asked_for() -> None:
    office = life()
    office.append(office.decide("young"))
    office.log.feedback("done", "ann", "young")
    assert len(gathered(office.log, young=True)) == len(gathered(office.log)) + 1


def test_nothing_is_fitted_on_a_matrix_that_is_not_the_scored_one() -> None:
    office = life()
    office.append(office.decide("another digest", x_digest="0" * 64))
    office.append(office.decide("another catalog", catalog_seq=1))
    office.append(office.decide("no moment", context={"now": "noon"}))
    rows = gathered(office.log, young=True)
    # The last one of `life` was made up as well.
    assert (len(rows), rows.left_out) == (120, 4)


def test_rows_hold_what_was_logged_of_the_tip_that_was_shown() -> None:
    office = life(80)
    logged = office.decide("d")
    office.append(logged)
    office.log.feedback("done", "ann", "d")
    rows = gathered(office.log, young=True)
    assert rows.x[-1].tolist() == logged.x
    assert rows.propensity[-1] == logged.propensity
    assert (rows.seq[-1], rows.occurred_us[-1]) == (office.log.seq - 1, logged.occurred_at)
    assert (rows.reward[-1], rows.reacted[-1]) == (1.0, True)


def test_whoever_is_erased_leaves_no_row() -> None:
    office = life()
    office.log.erase("ann")
    with pytest.raises(TooLittle, match="0 decisions with a reaction can be used and at least 50 are needed"):
        gathered(office.log)


def test_reactions_that_are_held_out_fit_nothing() -> None:
    office = life(400, worth=(None,))
    for number in range(341, 400):
        office.log.feedback("done", "ann", f"d{number}")
    with pytest.raises(TooLittle, match=r"^0 decisions with a reaction can be used and at least 50 are needed before"):
        gathered(office.log, young=True)


def test_the_same_log_gives_the_same_digest_and_another_one_another() -> None:
    log = life().log
    assert gathered(log).digest() == gathered(log).digest()
    assert gathered(log).digest() != gathered(life(worth=("done",)).log).digest()
    assert gathered(log).digest() != gathered(log, segment="hours").digest()


def test_an_unknown_segment_is_told_in_words() -> None:
    with pytest.raises(UnknownSegment, match="segment 'age' is unknown; there are day, hours"):
        check_segment("age")
