"""What charts are drawn of rows."""

import re

from console.components.plots import heatmap


def test_a_heatmap_says_more_by_more_of_one_colour() -> None:
    row = {"day": "2026-03-01", "feature": "sleep", "share": 0.4}
    colours = heatmap("feature", "share")([row])["visualMap"]["inRange"]["color"]
    parts = [re.findall(r"[.\d]+", colour) for colour in colours]
    assert len({tuple(part[:3]) for part in parts}) == 1
    strengths = [float(part[3]) for part in parts]
    assert strengths == sorted(strengths)
