"""Which run a command goes on with."""

import os
import time
from dataclasses import replace
from pathlib import Path

from ml.pipelines.run import BEGUN, FEATURES, LATELY_S, Run, begun, unfinished

RUN = Run("prior", "2026-01-01T00:00:00Z", 100, 0, 7, "day", False, "code")
GROWN = replace(RUN, upto_seq=200)


def featured(run: Run, results: Path) -> Path:
    """The rows of a run, as its first step leaves them."""
    rows = results / run.key / FEATURES
    rows.parent.mkdir(parents=True, exist_ok=True)
    rows.touch()
    return rows


def test_a_failed_run_is_gone_on_with_on_a_log_that_has_grown_until_it_is_done(tmp_path: Path) -> None:
    assert unfinished(GROWN, tmp_path) == GROWN
    begun(RUN, tmp_path)
    featured(RUN, tmp_path)
    assert unfinished(GROWN, tmp_path) == RUN
    (tmp_path / BEGUN).unlink()
    assert unfinished(GROWN, tmp_path) == GROWN


def test_a_run_that_found_too_little_begins_anew_on_a_log_that_has_grown(tmp_path: Path) -> None:
    begun(RUN, tmp_path)
    assert unfinished(GROWN, tmp_path) == GROWN


def test_going_on_with_a_run_makes_it_no_younger(tmp_path: Path) -> None:
    rows = featured(RUN, tmp_path)
    os.utime(rows, times=(time.time() - LATELY_S - 1,) * 2)
    begun(RUN, tmp_path)
    assert unfinished(GROWN, tmp_path) == GROWN


def test_a_run_that_has_begun_since_takes_its_place(tmp_path: Path) -> None:
    begun(RUN, tmp_path)
    featured(RUN, tmp_path)
    begun(replace(GROWN, name="second"), tmp_path)
    assert unfinished(GROWN, tmp_path) == GROWN


def test_what_else_decides_the_result_makes_another_run(tmp_path: Path) -> None:
    begun(RUN, tmp_path)
    featured(RUN, tmp_path)
    for other in (
        replace(GROWN, name="second"), replace(GROWN, stream="another"), replace(GROWN, deleted=3),
        replace(GROWN, seed=8), replace(GROWN, segment="hours"), replace(GROWN, young=True), replace(GROWN, code="new"),
    ):  # fmt: skip
        assert unfinished(other, tmp_path) == other


def test_a_broken_word_of_a_run_is_passed_over(tmp_path: Path) -> None:
    begun(RUN, tmp_path)
    featured(RUN, tmp_path)
    (tmp_path / BEGUN).write_bytes(b"{")
    assert unfinished(GROWN, tmp_path) == GROWN
