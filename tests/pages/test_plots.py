"""What charts are drawn of rows."""

import re
from typing import Any

import pytest

from console.components.chart import in_order
from console.components.plots import heatmap
from console.components.table import Column
from console.pages.experiments import FEW, learning_curve


def test_a_heatmap_says_more_by_more_of_one_colour() -> None:
    row = {"day": "2026-03-01", "feature": "sleep", "share": 0.4}
    colours = heatmap("feature", "share")([row])["visualMap"]["inRange"]["color"]
    parts = [re.findall(r"[.\d]+", colour) for colour in colours]
    assert len({tuple(part[:3]) for part in parts}) == 1
    strengths = [float(part[3]) for part in parts]
    assert strengths == sorted(strengths)


def test_days_are_saved_from_the_first_on() -> None:
    rows = [{"day": "2026-03-02", "policy": "a"}, {"day": "2026-03-02", "policy": "b"}, {"day": "2026-03-01"}]
    assert in_order([Column("day", "Day")], rows) == [rows[2], rows[0], rows[1]]
    assert in_order([Column("policy", "Policy")], rows) == rows


def test_a_learning_curve_shows_its_doubt_and_leaves_out_points_of_few_reactions() -> None:
    def point(reaction: int, reacted: int, stderr: float | None) -> dict[str, Any]:
        return {
            "policy": "linucb", "to_reaction": reaction, "reacted": reacted, "reward_per_reaction": 0.5,
            "stderr": stderr,
        }  # fmt: skip

    drawn = learning_curve([point(1, FEW, 0.1), point(7, FEW, 0.1), point(4, FEW, 0.1), point(10, 1, None)])
    low, height, middle = drawn["series"]
    assert middle["data"] == [["1", 0.5], ["7", 0.5], ["4", 0.5]]
    assert [low["data"][0][1], height["data"][0][1]] == pytest.approx([0.304, 0.392], abs=1e-3)
    # Where nobody has many, few are better than nothing, and a step that nobody has is no neighbour's.
    few = learning_curve([point(2, 1, None), point(4, 1, None), point(7, 1, None)])
    assert [place for place, _ in few["series"][2]["data"]] == ["2", "4", "7"]
    assert few["xAxis"]["data"] == ["2", "3", "4", "5", "6", "7"]
