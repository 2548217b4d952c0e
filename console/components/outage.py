"""What a page says while the stream does not answer; it asks nobody, but reads what health has seen lately."""

from nicegui import ui

from console.components.notice import notice
from contracts.times import format_time
from services.api.condition import Watch

PERIOD_S = 2.0
HEALTH = "/admin/health"


def stream_silence(watch: Watch) -> str:
    """That the stream does not answer, and since when; empty while it does."""
    since = watch.silent_since("stream")
    return f"The stream has not answered since {format_time(since)[11:19]} UTC" if since is not None else ""


def stream_banner(watch: Watch) -> None:
    """A line above the page while the stream does not answer; it comes and goes by itself."""
    place, shown = ui.element("div").classes("w-full"), ""

    def look() -> None:
        nonlocal shown
        said = stream_silence(watch)
        if said == shown:
            return
        shown, place.visible = said, bool(said)
        place.clear()
        if said:
            with place, notice("What is shown here may be old, and nothing can be changed.", tone="bad", title=said):
                ui.link("See Health", HEALTH)

    place.visible = False
    look()
    ui.timer(PERIOD_S, look)
