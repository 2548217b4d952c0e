"""How everything looks: colours and sizes as CSS variables, one chart theme that is legible on light and on dark."""

from importlib.resources import files
from typing import Any

from nicegui import ui

FAVICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="6" fill="#4f46e5"/>'
    '<path d="M5 14l4-5 4 6 3-4h3" fill="none" stroke="white" stroke-width="2" stroke-linecap="round" '
    'stroke-linejoin="round"/></svg>'
)
THEME_COOKIE = "tipstream_theme"
NEXT = {"auto": "dark", "dark": "light", "light": "auto"}

POLICY_COLOURS = ("#6172f3", "#12b76a", "#f79009", "#06aed4", "#ee46bc", "#98a2b3")
ACTION_COLOURS = {
    "helpful": "#12b76a", "done": "#6172f3", "snoozed": "#98a2b3", "not_helpful": "#f79009", "dismissed": "#f04438",
}  # fmt: skip

_INK, _GRID = "#838d9e", "rgba(131, 141, 158, 0.22)"
_AXIS: dict[str, Any] = {
    "axisLine": {"lineStyle": {"color": _GRID}},
    "axisTick": {"show": False},
    "axisLabel": {"color": _INK, "fontSize": 11},
    "splitLine": {"lineStyle": {"color": _GRID}},
    "nameTextStyle": {"color": _INK},
}
_BARE = _AXIS | {"splitLine": {"show": False}}
CHART_THEME: dict[str, Any] = {
    "color": list(POLICY_COLOURS),
    "backgroundColor": "transparent",
    "textStyle": {"fontFamily": "Inter, Roboto, system-ui, sans-serif", "color": _INK},
    "categoryAxis": _BARE,
    "valueAxis": _AXIS,
    "timeAxis": _BARE,
    "legend": {"textStyle": {"color": _INK}, "itemWidth": 9, "itemHeight": 18, "icon": "circle"},
    "tooltip": {
        "confine": True,
        "backgroundColor": "#1d2433",
        "borderWidth": 0,
        "textStyle": {"color": "#f2f4f7", "fontSize": 12},
    },
}


def install() -> None:
    """Give every page the styles."""
    css = files("console").joinpath("theme.css").read_text(encoding="utf-8")
    ui.add_head_html(f"<style>{css}</style>", shared=True)


def dark_of(cookie: str | None) -> bool | None:
    """Whether a visitor chose dark or light; None to follow the system."""
    return {"dark": True, "light": False}.get(cookie or "")
