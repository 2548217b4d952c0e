"""Verify proves a system that is right, and says where one that is not has gone wrong."""

from dataclasses import replace

import pytest

from contracts.events.person import FeedbackReceived
from projections.replay import EVERY_PROJECTION
from projections.verify import Report, verify_system
from services.demo.people import user_ids
from tests.projections.small import SmallSystem


async def verify(small: SmallSystem) -> Report:
    return await verify_system(small.bus, progress=lambda done, total: None)


async def test_a_system_that_is_right_is_proven(small: SmallSystem) -> None:
    seen: list[tuple[int, int]] = []
    async with small.own(*EVERY_PROJECTION):
        report = await verify_system(small.bus, progress=lambda done, total: seen.append((done, total)))
    last = await small.last()
    assert report.proven, report.lines()
    assert [check.projection for check in report.checks] == list(EVERY_PROJECTION)
    assert all(check.seq == last for check in report.checks)
    assert report.events == last
    assert report.scores["identical"] > 10
    assert report.scores["mismatched"] == 0
    assert seen[-1] == (last, last)
    assert report.lines()[-1] == "proven"
    assert report.as_dict()["proven"] is True


async def test_projections_are_compared_each_at_its_own_checkpoint(small: SmallSystem) -> None:
    async with small.own("sqlite"):
        await small.owners["sqlite"].live.projector.stop()
        await small.owners["sqlite"].live.folding
        behind = await small.last()
        await small.publish(FeedbackReceived(user_id=user_ids(1)[0], action="done"))
        async with small.own("scorer"):
            report = await verify(small)
    seqs = {check.projection: (check.seq, check.equal) for check in report.checks}
    assert seqs["sqlite"] == (behind, True)
    assert seqs["scorer"] == (behind + 1, True)


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("UPDATE tip_scores SET propensity = 0.123 WHERE seq = (SELECT max(seq) FROM tip_scores)", "tip_scores"),
        ("DELETE FROM users WHERE user_id = (SELECT min(user_id) FROM users)", "users"),
    ],
)
async def test_a_row_changed_by_hand_is_found_in_its_table(small: SmallSystem, statement: str, table: str) -> None:
    async with small.own("sqlite", "scorer"):
        small.change_by_hand(statement)
        report = await verify(small)
    sqlite, scorer = report.checks[0], report.checks[3]
    assert sqlite.different == (table,)
    assert scorer.equal
    assert not report.proven
    assert any(line.endswith(f"DIFFERENT in {table}") for line in report.lines())
    assert "delete read_models" in report.lines()[-2]


async def test_a_projection_that_does_not_run_is_not_proven(small: SmallSystem) -> None:
    async with small.own("sqlite", "analytics", "scorer"):
        report = await verify(small)
    (check,) = [check for check in report.checks if check.projection == "query"]
    assert "nobody answers on tipstream.ctl.query" in check.problem
    assert not report.proven
    assert sum(other.equal for other in report.checks) == 3
    assert report.lines()[-1] == "NOT PROVEN"


async def test_an_unexplained_gap_is_not_proven(small: SmallSystem) -> None:
    await small.bus.delete(100)
    async with small.own(*EVERY_PROJECTION):
        report = await verify(small)
    assert all(check.equal for check in report.checks), "all have folded the same"
    assert not report.proven
    assert report.lines()[0].endswith("events are missing without an erasure's receipt: 100-100")
    assert report.lines()[-1] == "NOT PROVEN"


async def test_a_log_without_its_first_event_is_told_so(small: SmallSystem) -> None:
    async with small.own("sqlite"):
        await small.bus.delete(1)
        report = await verify(small)
    assert not report.proven
    assert "no longer begins with StreamStarted" in report.lines()[0]
    assert report.checks[0].problem == "nothing can be decoded without the log's first event"


async def test_a_tampered_decision_is_named(small: SmallSystem) -> None:
    recorded = next(record for record in small.bus._records if record.subject.startswith("tips.scored."))
    honest = recorded.data
    index = small.bus._records.index(recorded)
    small.bus._records[index] = replace(recorded, data=honest.replace(b'"explored":false', b'"explored":true'))
    assert small.bus._records[index].data != honest
    async with small.own(*EVERY_PROJECTION):
        report = await verify(small)
    assert not report.proven
    assert [mismatch.seq for mismatch in report.mismatches] == [recorded.seq]
    assert "explored" in report.mismatches[0].differences
    assert any(f"at {recorded.seq}, {report.mismatches[0].decision_id}: " in line for line in report.lines())


async def test_with_nothing_running_nothing_is_proven(small: SmallSystem) -> None:
    report = await verify(small)
    assert not report.proven
    assert [bool(check.problem) for check in report.checks] == [True] * 4
    assert report.events == await small.last()
