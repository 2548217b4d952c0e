"""Operations: replays with their plan, progress and digests, the policies' standing, and who did what."""

from nicegui import ui

from console.addresses import Address
from console.frame import Visit, page
from console.operations.actions import Actions
from console.operations.policies import Policies
from console.operations.replay_form import ReplayForm
from console.operations.replays import Replays
from console.operations.versions import VersionList
from contracts.events.base import Position


@page("/admin/ops", title="Operations", group="System", icon="replay", order=1)
async def operations(
    visit: Visit,
    replay: str = "",
    actor: str = "",
    type: str = "",
    text: str = "",
    statements: bool = False,
    before: Position | None = None,
) -> None:
    """`replay` is the one that is opened; the others filter the history of admin actions."""
    address = Address(
        "/admin/ops", replay=replay, actor=actor, type=type, text=text, statements=statements, before=before
    )
    # Their tables have eight columns: side by side only where there is room for them.
    with ui.element("div").classes("cols").style("--col: 760px"):
        policies = Policies(visit)
        if visit.may("operate"):
            form = ReplayForm(visit)
    replays = Replays(visit, address)
    versions = VersionList(visit)
    actions = Actions(visit, address)
    policies.on_change(actions.newest)
    replays.on_end(versions.show)
    if visit.may("operate"):
        form.on_asked(replays.follow)
