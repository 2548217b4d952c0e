"""Models: versions with alias and card, who promoted which when, and MLflow's own interface beside them.

This page has the address without anything behind it, MLflow's begin one slash deeper (`services/api/mlflow_proxy.py`).
The page's `at` follows the frame, so that a link to a run or a version can be passed on.
"""

from nicegui import ui

from console.addresses import Address, event_url
from console.components.mlflow_frame import MlflowFrame
from console.components.notice import empty, notice
from console.components.panel import Panel, panel
from console.components.table import Column, Row, Table
from console.frame import Visit, page
from console.model_card import ModelCard, roll_back_button
from console.moments import moment
from ml.registry.server import MOUNT
from services.api.admin.models import Models, ModelVersion
from services.api.admin.models import models as read_models

PATH = "/admin/models"
FIRST = "/models"
LOOK_AGAIN_S = 3.0


@page(PATH, title="Models", group="Learning", icon="hub", order=5)
async def models(visit: Visit, version: str = "", at: str = FIRST) -> None:
    """The list and the card on one side, MLflow on the other."""
    await ModelsPage(visit, Address(PATH, version=version, at=at if at.startswith("/") else FIRST)).begin()


class ModelsPage:
    """What is shown of the registry; it looks again until MLflow is there, and whenever it comes back."""

    def __init__(self, visit: Visit, address: Address) -> None:
        self._visit, self._address = visit, address
        self._shown: Models | None = None
        self._frame: MlflowFrame | None = None
        with ui.element("div").classes("models-page"):
            with ui.element("div").classes("stack"):
                self._list = ui.element("div").classes("w-full")
                self._card = ui.element("div").classes("w-full")
                self._promotions = ui.element("div").classes("w-full")
            with panel("MLflow", flush=True) as self._mlflow:
                self._state = ui.element("div").classes("w-full")
        with self._list, panel("Versions"):
            ui.element("div").classes("skeleton").style("height: 90px")

    async def begin(self) -> None:
        """Look once now, then every few seconds."""
        ui.timer(LOOK_AGAIN_S, self._look, immediate=True)

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
        for place in (self._list, self._card, self._promotions):
            place.clear()
        chosen = next((one for one in found.versions if one.id == self._address.values["version"]), None)
        live = {one.model_version for one in found.promotions if one.live}
        with self._list, panel("Versions", flush=bool(found.versions)):
            if found.versions:
                self._versions(found.versions, live, chosen)
            elif found.registry == "up":
                empty("No model is registered yet", "Until one is promoted, every score starts from the neutral prior.")
            else:
                notice(found.detail or "", tone="warn")
        if chosen is not None:
            with self._card:
                ModelCard(self._visit, chosen, live=chosen.id in live, changed=self._look)
        with self._promotions, panel("Promotions", flush=bool(found.promotions)) as promotions:
            if found.promotions:
                with promotions.actions:
                    roll_back_button(self._visit, self._look)
                Table(_PROMOTIONS, [one.model_dump(mode="json") for one in found.promotions], label="Promotions")
            else:
                empty("Nothing was promoted yet", "Each promotion is a signed event and stands here with who and when.")

    def _versions(self, versions: list[ModelVersion], live: set[str], chosen: ModelVersion | None) -> None:
        rows = [
            {
                **one.model_dump(mode="json"),
                "aliases": ", ".join(one.aliases),
                "live": "live" if one.id in live else "",
            }
            for one in versions
        ]
        table = Table(_VERSIONS, rows, label="Versions", on_choose=lambda row: self._choose(str(row["id"])))
        table.show(rows, chosen=lambda row: chosen is not None and row["id"] == chosen.id)

    def _choose(self, version: str) -> None:
        self._address.set(version=version)
        if self._shown is not None:
            self._draw_lists(self._shown)


def _tone(row: Row) -> str:
    return "good" if row["live"] else ""


_VERSIONS = (
    Column("id", "Version", "id"),
    Column("aliases", "Alias"),
    Column("live", "Scores", "chip", tone=_tone),
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
