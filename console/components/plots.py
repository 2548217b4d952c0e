"""ECharts options of rows: stacked days, lines, intervals, heatmaps and bars; colours come from the theme."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from itertools import cycle, pairwise
from math import gcd
from typing import Any

from console.components.chart import Option
from console.components.table import Row

Draw = Callable[[Sequence[Row]], Option]

_LEGEND = {"top": 0, "left": 0, "type": "scroll"}
_PERCENT = {"axisLabel": {":formatter": "value => (value * 100).toFixed(0) + '%'"}}
_PERCENT_TIP = {":valueFormatter": "value => value == null ? '–' : (value * 100).toFixed(2) + '%'"}
_COLOURS = ("#6172f3", "#f79009", "#12b76a", "#ee46bc", "#06aed4")
# One hue over whatever lies behind, so that more is stronger on light and on dark.
_PALE_TO_STRONG = ["rgba(97, 114, 243, .06)", "rgba(97, 114, 243, 1)"]
_NUMBER_TIP = {":valueFormatter": "value => typeof value == 'number' ? +value.toFixed(4) : value ?? '–'"}
# A horizontal line from low to high, with a stroke at each end.
_WHISKER = """(params, api) => {
  const [low, high] = [api.coord([api.value(0), api.value(2)]), api.coord([api.value(1), api.value(2)])];
  const style = {stroke: api.visual('color'), lineWidth: 2};
  const line = (x1, y1, x2, y2) => ({type: 'line', shape: {x1, y1, x2, y2}, style});
  return {type: 'group', children: [line(low[0], low[1], high[0], high[1]),
    line(low[0], low[1] - 5, low[0], low[1] + 5), line(high[0], high[1] - 5, high[0], high[1] + 5)]};
}"""


def days_of(rows: Sequence[Row]) -> list[str]:
    """Every day from the first to the last of the rows."""
    days = sorted({row["day"] for row in rows})
    first, last = date.fromisoformat(days[0]), date.fromisoformat(days[-1])
    return [str(first + timedelta(days=number)) for number in range((last - first).days + 1)]


def _day_axis(days: Sequence[str]) -> Option:
    shown = [f"{date.fromisoformat(day):%b} {date.fromisoformat(day).day}" for day in days]
    return {"type": "category", "data": shown, "axisLabel": {"hideOverlap": True}}


def stacked_days(series: Mapping[str, tuple[str, str]]) -> Draw:
    """Bars stacked by day; `series` gives each field its label and colour."""

    def draw(rows: Sequence[Row]) -> Option:
        days, at = days_of(rows), {row["day"]: row for row in rows}
        return {
            "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}},
            "legend": _LEGEND,
            "xAxis": _day_axis(days),
            "yAxis": {"type": "value", "minInterval": 1},
            "series": [
                {
                    "name": label, "type": "bar", "stack": "all", "barMaxWidth": 26, "itemStyle": {"color": colour},
                    "data": [at[day][field] if day in at else 0 for day in days],
                }
                for field, (label, colour) in series.items()
            ],
        }  # fmt: skip

    return draw


def daily_lines(value: str | Mapping[str, str], *, group: str = "", percent: bool = False) -> Draw:
    """A line for each value of `group`, or for each field of `value` with its label; days without a row are gaps."""

    def draw(rows: Sequence[Row]) -> Option:
        days = days_of(rows)
        lines: dict[str, dict[str, Any]] = {}
        for row in rows:
            if isinstance(value, str):
                lines.setdefault(str(row[group]), {})[row["day"]] = row[value]
            else:
                for field, label in value.items():
                    lines.setdefault(label, {})[row["day"]] = row[field]
        return {
            "tooltip": {"trigger": "axis", **(_PERCENT_TIP if percent else _NUMBER_TIP)},
            "legend": _LEGEND,
            "xAxis": _day_axis(days),
            "yAxis": {"type": "value", "scale": not percent, **(_PERCENT if percent else {})},
            "series": [
                {
                    "name": name, "type": "line", "symbolSize": 5, "showSymbol": len(days) < 40,
                    "data": [points.get(day) for day in days],
                }
                for name, points in lines.items()
            ],
        }  # fmt: skip

    return draw


def lines(x: str, y: str, *, group: str, x_label: str = "", marks: Sequence[float] = ()) -> Draw:
    """A line for each value of `group` over a number; `marks` are dashed lines across."""

    def draw(rows: Sequence[Row]) -> Option:
        groups: dict[str, list[list[Any]]] = {}
        for row in rows:
            groups.setdefault(str(row[group]), []).append([row[x], row[y]])
        crossed = {"silent": True, "symbol": "none", "label": {"show": False}, "data": [{"xAxis": at} for at in marks]}
        return {
            "tooltip": {"trigger": "axis", **_NUMBER_TIP},
            "legend": _LEGEND,
            "grid": {"left": 8, "right": 24, "top": 36, "bottom": 30, "containLabel": True},
            "xAxis": {
                "type": "value", "name": x_label, "nameLocation": "middle", "nameGap": 24, "minInterval": 1,
                "min": "dataMin", "splitLine": {"show": False}, "axisLabel": {"hideOverlap": True},
            },
            "yAxis": {"type": "value", "scale": True},
            "series": [
                {"name": name, "type": "line", "showSymbol": len(points) < 40, "data": points, "markLine": crossed}
                for name, points in groups.items()
            ],
        }  # fmt: skip

    return draw


def intervals(name: str, middle: str, low: str, high: str) -> Draw:
    """A dot with its interval for each row, the first row on top; a row without an interval is a dot alone."""

    def draw(rows: Sequence[Row]) -> Option:
        known = [[row[low], row[high], at] for at, row in enumerate(rows) if row[low] is not None]
        return {
            "tooltip": {"trigger": "item", **_NUMBER_TIP},
            "grid": {"left": 8, "right": 24, "top": 8, "bottom": 8, "containLabel": True},
            "xAxis": {"type": "value", "scale": True, "splitLine": {"show": True}},
            "yAxis": {"type": "category", "inverse": True, "data": [str(row[name]) for row in rows]},
            "series": [
                {"name": "95 % interval", "type": "custom", ":renderItem": _WHISKER, "encode": {"x": [0, 1], "y": 2},
                 "data": known, "clip": True},
                {"name": "mean", "type": "scatter", "symbolSize": 9, "color": "#6172f3",
                 "data": [[row[middle], at] for at, row in enumerate(rows)]},
            ],
        }  # fmt: skip

    return draw


def intervals_over(
    at: str, middle: str, low: str, high: str, *, group: str, x_label: str = "", marks: Sequence[float] = ()
) -> Draw:
    """A line with the band of its interval for each value of `group`, over moments, or with `x_label` over whole
    numbers; `marks` are dashed lines across."""

    def draw(rows: Sequence[Row]) -> Option:
        groups: dict[str, list[Row]] = {}
        for row in rows:
            groups.setdefault(str(row[group]), []).append(row)
        crossed = {"silent": True, "symbol": "none", "label": {"show": False}, "data": [{"yAxis": at} for at in marks]}
        series: list[Option] = []
        for (name, points), colour in zip(groups.items(), cycle(_COLOURS), strict=False):
            # The band is what is stacked on its invisible lower end.
            edge = {
                "name": name, "type": "line", "stack": name, "stackStrategy": "all", "showSymbol": False,
                "lineStyle": {"opacity": 0}, "tooltip": {"show": False}, "silent": True, "color": colour,
            }  # fmt: skip
            places = [str(row[at]) for row in points]
            heights = [None if row[low] is None else row[high] - row[low] for row in points]
            lows, middles = ([row[field] for row in points] for field in (low, middle))
            series += [
                edge | {"data": _pairs(places, lows)},
                edge | {"data": _pairs(places, heights), "areaStyle": {"opacity": 0.18, "color": colour}},
                {
                    "name": name, "type": "line", "showSymbol": len(points) == 1, "color": colour, "markLine": crossed,
                    "data": _pairs(places, middles),
                },
            ]  # fmt: skip
        numbers = {
            "type": "category", "name": x_label, "nameLocation": "middle", "nameGap": 24, "boundaryGap": False,
            "data": _even([row[at] for row in rows]) if x_label else [],
        }  # fmt: skip
        return {
            "tooltip": {"trigger": "axis", **_NUMBER_TIP},
            "legend": _LEGEND,
            "grid": {"left": 8, "right": 24, "top": 36, "bottom": 30 if x_label else 8, "containLabel": True},
            "xAxis": (numbers if x_label else {"type": "time"})
            | {"splitLine": {"show": False}, "axisLabel": {"hideOverlap": True}},
            "yAxis": {"type": "value"},
            "series": series,
        }

    return draw


def _pairs(places: Sequence[str], values: Sequence[Any]) -> list[list[Any]]:
    return [[place, value] for place, value in zip(places, values, strict=True)]


def _even(numbers: Sequence[int]) -> list[str]:
    """Every step from the least to the greatest, as words: bands are stacked by words and by times only."""
    seen = sorted(set(numbers))
    step = gcd(*(later - sooner for sooner, later in pairwise(seen)))
    return [str(number) for number in range(seen[0], seen[-1] + 1, step or 1)]


def heatmap(y: str, value: str) -> Draw:
    """A share for each day and `y`, from pale to strong."""

    def draw(rows: Sequence[Row]) -> Option:
        days, names = days_of(rows), sorted({str(row[y]) for row in rows}, reverse=True)
        columns, lines = {day: at for at, day in enumerate(days)}, {name: at for at, name in enumerate(names)}
        top = max((row[value] for row in rows), default=0) or 1
        return {
            "tooltip": {"position": "top", ":valueFormatter": "value => (value * 100).toFixed(2) + '%'"},
            "grid": {"left": 8, "right": 16, "top": 8, "bottom": 40, "containLabel": True},
            "xAxis": _day_axis(days),
            "yAxis": {"type": "category", "data": names},
            "visualMap": {
                "min": 0, "max": top, "calculable": False, "orient": "horizontal", "left": "center", "bottom": 0,
                "itemHeight": 120, "itemWidth": 10, "textStyle": {"color": "#838d9e", "fontSize": 11},
                ":formatter": "value => (value * 100).toFixed(1) + '%'", "text": [f"{top:.0%}", "0%"],
                "inRange": {"color": _PALE_TO_STRONG}, "inactiveColor": "transparent",
            },
            "series": [
                {
                    "name": "missing", "type": "heatmap", "progressive": 0,
                    "data": [[columns[row["day"]], lines[str(row[y])], row[value]] for row in rows],
                }
            ],
        }  # fmt: skip

    return draw


def bars(label: Callable[[Row], str], value: str, *, name: str) -> Draw:
    """Upright bars in the rows' order."""

    def draw(rows: Sequence[Row]) -> Option:
        return {
            "tooltip": {"trigger": "axis", "axisPointer": {"type": "shadow"}, **_NUMBER_TIP},
            "grid": {"left": 8, "right": 16, "top": 16, "bottom": 8, "containLabel": True},
            "xAxis": {"type": "category", "data": [label(row) for row in rows], "axisLabel": {"hideOverlap": True}},
            "yAxis": {"type": "value"},
            "series": [{"name": name, "type": "bar", "barMaxWidth": 40, "data": [row[value] for row in rows]}],
        }

    return draw


def weights(rows: Sequence[Row]) -> Option:
    """Theta as bars to either side, each with alpha standard deviations."""
    return {
        "tooltip": {"trigger": "item", **_NUMBER_TIP},
        "grid": {"left": 8, "right": 24, "top": 8, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "value", "splitLine": {"show": True}},
        "yAxis": {"type": "category", "inverse": True, "data": [row["feature"] for row in rows]},
        "series": [
            {
                "name": "theta", "type": "bar", "barMaxWidth": 12,
                "data": [
                    {"value": row["theta"], "itemStyle": {"color": "#12b76a" if row["theta"] >= 0 else "#f79009"}}
                    for row in rows
                ],
            },
            {
                "name": "theta ± α·σ", "type": "custom", ":renderItem": _WHISKER, "color": "#838d9e",
                "encode": {"x": [0, 1], "y": 2}, "clip": True,
                "data": [[row["theta"] - row["width"], row["theta"] + row["width"], at] for at, row in enumerate(rows)],
            },
        ],
    }  # fmt: skip


def banded(name: str, value: str, band: str, colours: Mapping[str, str], marks: Sequence[float]) -> Draw:
    """Bars across, the first row on top, in the colour of their band; `marks` are dashed lines between the bands."""

    def draw(rows: Sequence[Row]) -> Option:
        crossed = {"silent": True, "symbol": "none", "label": {"show": False}, "data": [{"xAxis": at} for at in marks]}
        bars = [{"value": row[value], "itemStyle": {"color": colours[row[band]]}} for row in rows]
        return {
            "tooltip": {"trigger": "item", **_NUMBER_TIP},
            "grid": {"left": 8, "right": 24, "top": 8, "bottom": 8, "containLabel": True},
            "xAxis": {"type": "value", "splitLine": {"show": False}},
            "yAxis": {"type": "category", "inverse": True, "data": [str(row[name]) for row in rows]},
            "series": [{"name": value, "type": "bar", "barMaxWidth": 12, "data": bars, "markLine": crossed}],
        }

    return draw
