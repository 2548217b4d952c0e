"""What an owner tells of its DuckDB tables: views, reports, columns, and answers that no one message can carry."""

from pathlib import Path

import orjson
import pytest

import projections.pieces
from projections.control import BadQuestion
from projections.pieces import AnswerGone, AnswerTooLarge
from projections.reports.registry import REPORTS
from projections.reports.report import BadParameter, Report, UnknownReport
from projections.sinks.duckdb import UnknownView
from tests.projections.listed import stream_of
from tests.projections.test_owner import ask, log_of, owning


async def test_views_are_rows_by_name_with_times_in_utc(tmp_path: Path) -> None:
    async with owning(tmp_path, stream_of(log_of(30)), "analytics") as owner:
        await owner.live.projector.wait_for(61)
        daily = await ask(owner, "view", name="reward_daily", limit=1)
        assert daily["columns"][:3] == ["day", "policy", "decisions"]
        assert [(row["day"], row["decisions"]) for row in daily["rows"]] == [("2026-03-02", 10)]
        rewards = await ask(owner, "view", name="rewards", limit=1)
        assert rewards["rows"][0]["occurred_at"] == "2026-03-02T08:00:00Z"
        with pytest.raises(UnknownView):
            await ask(owner, "view", name="tips", limit=1)
        with pytest.raises(BadQuestion, match="limit is 0"):
            await ask(owner, "view", name="rewards", limit=0)


async def test_reports_are_columns_and_rows_by_name_with_bound_parameters(tmp_path: Path) -> None:
    async with owning(tmp_path, stream_of(log_of(30)), "analytics") as owner:
        await owner.live.projector.wait_for(61)
        since = {"since": "2026-03-02T00:00:00Z"}
        daily = await ask(owner, "report", name="daily_reactions", parameters=since)
        assert daily["columns"][:3] == ["day", "decisions", "reacted"]
        assert [row[:3] for row in daily["rows"]] == [["2026-03-02", 10, 10]]
        (first,) = (await ask(owner, "report", name="daily_reactions", limit=1))["rows"]
        assert first[:3] == ["2026-03-01", 20, 20]
        with pytest.raises(UnknownReport, match="there is no report 'tips'"):
            await ask(owner, "report", name="tips")
        with pytest.raises(BadParameter, match="no parameter 'day'"):
            await ask(owner, "report", name="daily_reactions", parameters={"day": "2026-03-02"})
        with pytest.raises(BadQuestion, match="limit is 0"):
            await ask(owner, "report", name="daily_reactions", limit=0)


async def test_a_report_larger_than_any_answer_is_refused_instead_of_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = Report(name="every", sql="SELECT range, repeat('x', 100) FROM range(20000)", order="range", comment="Wide.")
    monkeypatch.setitem(REPORTS, "every", every)
    monkeypatch.setattr(projections.pieces, "MOST_KEPT", 2_000_000)
    async with owning(tmp_path, stream_of(log_of(1)), "analytics") as owner:
        with pytest.raises(AnswerTooLarge, match="ask for fewer rows"):
            await ask(owner, "report", name="every")
        assert len((await ask(owner, "report", name="every", limit=100))["rows"]) == 100
        monkeypatch.setattr("projections.owner.MOST_ROWS", 50)
        with pytest.raises(AnswerTooLarge, match="report every has more than 50 rows"):
            await ask(owner, "report", name="every")


async def test_an_answer_that_no_message_can_carry_goes_in_pieces(tmp_path: Path) -> None:
    async with owning(tmp_path, stream_of(log_of(3000)), "analytics") as owner:
        await owner.live.projector.wait_for(6001)
        head = await ask(owner, "view", name="rewards", limit=3000)
        assert head["pieces"] > 1
        pieces = [
            await owner.answer(orjson.dumps({"op": "piece", "kept": head["kept"], "number": number}))
            for number in range(head["pieces"])
        ]
        assert max(len(piece) for piece in pieces) <= 1_000_000
        rows = orjson.loads(b"".join(pieces))["rows"]
        assert len({row["decision_id"] for row in rows}) == 3000
        with pytest.raises(AnswerGone, match="ask again"):
            await ask(owner, "piece", kept=head["kept"], number=0)


async def test_tables_and_views_are_told_with_their_columns(tmp_path: Path) -> None:
    async with owning(tmp_path, stream_of(log_of(1)), "query") as owner:
        await owner.live.projector.wait_for(3)
        relations = {one["name"]: one for one in (await ask(owner, "schema"))["relations"]}
    assert relations["tip_scores"]["kind"] == "table"
    assert relations["reward_daily"]["kind"] == "view"
    columns = {one["name"]: one for one in relations["tip_scores"]["columns"]}
    assert columns["propensity"]["type"] == "DOUBLE"
    assert columns["missing"]["type"] == "VARCHAR[]"
    silent = [one["name"] for one in relations.values() if not one["comment"]]
    silent += [
        f"{one['name']}.{column['name']}"
        for one in relations.values()
        for column in one["columns"]
        if not column["comment"]
    ]
    assert not silent, "say what these mean in projections/sinks/duckdb_comments.py"
