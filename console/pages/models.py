"""Models: versions with alias and card, who promoted which when, what scores along, and MLflow's interface beside them.

This page has the address without anything behind it, MLflow's begin one slash deeper (`services/api/mlflow_proxy.py`).
The page's `at` follows the frame, so that a link to a run or a version can be passed on.
"""

from collections.abc import Mapping

from nicegui import ui

from console.addresses import Address, event_url
from console.components.mlflow_frame import MlflowFrame
from console.components.notice import empty, notice
from console.components.panel import Panel, panel
from console.components.table import Column, Row, Table
from console.frame import Visit, page
from console.model_card import ModelCard, roll_back_button
from console.moments import count, moment, number, percent
from ml.registry.server import MOUNT
from services.api.admin.model_shadows import CountedShadow, counted
from services.api.admin.models import Models
from services.api.admin.models import models as read_models
from services.bus.errors import BusUnavailable, RequestFailed

PATH = "/admin/models"
FIRST = "/models"
LOOK_AGAIN_S = 3.0
COUNT_AGAIN_S = 10.0
"""What shadows have shown is worked out over all that they scored along."""


@page(PATH, title="Models", group="Learning", icon="hub", order=5)
async def models(visit: Visit, version: str = "", at: str = FIRST) -> None:
    """The lists, and under them the card of the chosen version beside MLflow."""
    await ModelsPage(visit, Address(PATH, version=version, at=at if at.startswith("/") else FIRST)).begin()


class ModelsPage:
    """What is shown of the registry; it looks again until MLflow is there, and whenever it comes back."""

    def __init__(self, visit: Visit, address: Address) -> None:
        self._visit, self._address = visit, address
        self._shown: Models | None = None
        self._counted: dict[str, CountedShadow] = {}
        self._tables: tuple[Table | None, Table | None] = (None, None)
        self._frame: MlflowFrame | None = None
        self._list = ui.element("div").classes("w-full")
        self._shadows = ui.element("div").classes("w-full")
        self._promotions = ui.element("div").classes("w-full")
        with ui.element("div").classes("models-page"):
            self._card = ui.element("div")
            with panel("MLflow", flush=True) as self._mlflow:
                self._state = ui.element("div").classes("w-full")
        with self._list, panel("Versions"):
            ui.element("div").classes("skeleton").style("height: 90px")

    async def begin(self) -> None:
        """Look once now, then every few seconds."""
        ui.timer(LOOK_AGAIN_S, self._look, immediate=True)
        ui.timer(COUNT_AGAIN_S, self._count)

    async def _look(self) -> None:
        found = await read_models(self._visit.parts)
        if found == self._shown:
            return
        before, self._shown = self._shown, found
        self._draw_lists(found)
        self._draw_state(found)
        if found.registry == "up" and self._frame is None:
            self._embed(self._mlflow)
        elif found.registry == "up" and before is not None and before.registry != "up" and self._frame is not None:
            self._frame.again()
        await self._count()

    async def _count(self) -> None:
        if self._shown is None or not self._shown.shadows:
            return
        try:
            found = await counted(self._visit.parts)
        except (BusUnavailable, RequestFailed):
            # What was known stays; Health says what is away.
            return
        self._counted = {one.model_version: one for one in found}
        self._show_rows()

    def _embed(self, place: Panel) -> None:
        # MLflow's interface is made for wide windows; a narrow one looks at a part of it.
        with place.body, ui.element("div").classes("models-scroll w-full").props('tabindex=0 aria-label="MLflow"'):
            self._frame = MlflowFrame(str(self._address.values["at"]), lambda at: self._address.set(at=at))
        with place.actions:
            ui.link("Open on its own", f"{MOUNT}/#{FIRST}", new_tab=True).classes("small")

    def _draw_state(self, found: Models) -> None:
        self._state.clear()
        with self._state:
            if found.registry == "off":
                empty("MLflow is switched off", "Set TIPSTREAM_MLFLOW=on and start Tipstream again.", icon="power_off")
            elif found.registry == "away":
                with ui.element("div").classes("models-away").props("role=status"):
                    ui.spinner(size="20px")
                    ui.label("MLflow is starting, which takes up to a minute. This page goes on by itself.")
        if self._frame is not None:
            self._frame.set_visibility(found.registry == "up")

    def _draw_lists(self, found: Models) -> None:
        for place in (self._list, self._card, self._promotions, self._shadows):
            place.clear()
        versions = shadows = None
        with self._list, panel("Versions", flush=bool(found.versions)):
            if found.versions:
                versions = Table(_VERSIONS, (), label="Versions", on_choose=lambda row: self._choose(str(row["id"])))
            elif found.registry == "up":
                said = "Until one is promoted, every score starts from the neutral prior."
                empty(
                    "No model is registered yet",
                    f"The command tipstream train makes one. It needs decisions that people reacted to. {said}",
                )
            else:
                notice(found.detail or "", tone="warn")
        self._draw_card(found)
        if found.shadows:
            with self._shadows, panel("Shadows", flush=True, note="Decisions made again under their priors"):
                shadows = Table(_SHADOWS, (), label="Shadows")
        if found.promotions:
            with self._promotions, panel("Promotions", flush=True) as promotions:
                with promotions.actions:
                    roll_back_button(self._visit, self._look)
                Table(_PROMOTIONS, [one.model_dump(mode="json") for one in found.promotions], label="Promotions")
        self._tables = (versions, shadows)
        self._show_rows()

    def _draw_card(self, found: Models) -> None:
        chosen = next((one for one in found.versions if one.id == self._address.values["version"]), None)
        if chosen is None:
            return
        live = any(one.live and one.model_version == chosen.id for one in found.promotions)
        along = any(one.until is None and one.model_version == chosen.id for one in found.shadows)
        with self._card:
            ModelCard(self._visit, chosen, live=live, along=along, changed=self._look)

    def _show_rows(self) -> None:
        """What the tables say now: figures change more often than what there is."""
        versions, shadows = self._tables
        if self._shown is None:
            return
        along = _shadow_rows(self._shown, self._counted)
        if shadows is not None:
            shadows.show(along)
        if versions is not None:
            chosen = self._address.values["version"]
            rows = _version_rows(self._shown, {row["model_version"]: row for row in along})
            versions.show(rows, chosen=lambda row: row["id"] == chosen)

    def _choose(self, version: str) -> None:
        self._address.set(version=version)
        if self._shown is not None:
            self._draw_lists(self._shown)


def _version_rows(found: Models, along: Mapping[str, Row]) -> list[Row]:
    live = {one.model_version for one in found.promotions if one.live}
    rows: list[Row] = []
    for one in found.versions:
        row = one.model_dump(mode="json") | {"aliases": ", ".join(one.aliases)}
        row |= {"live": "live" if one.id in live else "", "shadow": "", "shadow_tone": ""}
        if (shadow := along.get(one.id)) is not None:
            agrees = f", {percent(shadow['agreement'])} alike" if shadow.get("agreement") is not None else ""
            row |= {"shadow": f"{shadow['state']}{agrees}", "shadow_tone": _shadow_tone(shadow)}
        rows.append(row)
    return rows


def _shadow_rows(found: Models, figures: Mapping[str, CountedShadow]) -> list[Row]:
    rows: list[Row] = []
    for one in found.shadows:
        row = one.model_dump(mode="json") | {"state": one.ended or "in shadow"}
        if (known := figures.get(one.model_version)) is not None:
            row |= {"decisions": known.decisions, "agreement": known.agreement, "estimate": known.interval}
            row |= {"shown_reward": known.shown_reward}
        rows.append(row)
    return rows


def _tone(row: Row) -> str:
    return "good" if row["live"] else ""


def _shadow_tone(row: Row) -> str:
    return "accent" if row["until"] is None else ""


_VERSIONS = (
    Column("id", "Version", "id"),
    Column("aliases", "Alias"),
    Column("live", "Scores", "chip", tone=_tone),
    Column("shadow", "Shadow", "chip", tone=lambda row: str(row["shadow_tone"])),
    Column("created_at", "Registered", "time", show=moment),
)
_PROMOTIONS = (
    Column("model_version", "Version", "id"),
    Column("live", "Scores", "chip", show=lambda live: "live" if live else "before", tone=_tone),
    Column("actor", "By"),
    Column("occurred_at", "When", "time", show=moment, link=lambda row: event_url(row["seq"])),
    Column("feature_set", "Features", "id"),
    Column("reason", "Reason"),
)
_SHADOWS = (
    Column("model_version", "Version", "id"),
    Column("state", "Shadow", "chip", tone=_shadow_tone),
    Column("decisions", "Scored along", "number", show=count),
    Column("agreement", "Alike", "number", show=percent),
    Column("estimate", "Reward it would have got"),
    Column("shown_reward", "Reward shown tips got", "number", show=number),
    Column("actor", "By"),
    Column("since", "Since", "time", show=moment, link=lambda row: event_url(row["seq"])),
    Column("reason", "Reason"),
)
