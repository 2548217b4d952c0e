"""One event whole: what it is, what it belongs to, its body and its headers."""

import base64
from collections.abc import Callable
from typing import Any

from nicegui import ui

from console.addresses import decision_url, event_url, user_url
from console.components.json import json_view, pretty
from console.components.notice import heading, notice
from console.components.panel import icon_button
from console.ids import shown_id
from console.moments import moment
from services.api.admin.causes import Link
from services.api.admin.events import EventDetail

RELATIONS = {
    "decision": "Reacts to the decision",
    "feedback": "Reaction",
    "signal": "Read the signal",
    "tip": "Tip",
    "request": "Asked for by",
    "dead letter": "Puts aside",
}


def inspector(event: EventDetail, *, on_close: Callable[[], Any], on_open: Callable[[int], Any]) -> None:
    """The event's parts, one below the other; a link opens the event it leads to in the same place."""
    with ui.element("div").classes("panel-head"):
        with ui.element("div").classes("grow"):
            heading(2, event.kind)
            ui.label(f"event {event.seq:,}").classes("muted mono")
        icon_button("content_copy", "Copy the event as JSON", lambda: _copy(event))
        icon_button("close", "Close the event", on_close)
    if event.malformed:
        notice(event.detail or "", tone="bad", title=f"Not counted: {event.malformed}")
    elif event.summary:
        ui.label(event.summary).classes("break")
    _facts(event)
    if event.links or _decided(event):
        heading(3, "Belongs to")
        with ui.element("div").classes("stack tight"):
            for link in event.links:
                _link(link, on_open)
            if decision_id := _decided(event):
                ui.link("Why this tip was chosen", decision_url(decision_id))
    heading(3, "Body")
    json_view(event.body, label="Body")
    if event.data is not None:
        heading(3, "Bytes")
        json_view(base64.b64decode(event.data)[:4096].hex(" "), label="Bytes")
    heading(3, "Headers")
    json_view(event.headers, label="Headers")


def _facts(event: EventDetail) -> None:
    with ui.element("dl").classes("facts"):
        _fact("Subject", event.subject)
        _fact("Recorded", f"{moment(event.recorded_at)} UTC")
        if event.occurred_at and moment(event.occurred_at) != moment(event.recorded_at):
            _fact("Occurred", f"{moment(event.occurred_at)} UTC")
        if event.user_id:
            _fact("User", shown_id(event.user_id), user_url(event.user_id))
        if event.actor:
            _fact("Signed by", event.actor)
        if event.event_id:
            _fact("Event id", event.event_id)


def _fact(name: str, value: str, target: str = "") -> None:
    with ui.element("dt"):
        ui.label(name)
    with ui.element("dd").classes("mono"):
        if target:
            ui.link(value, target)
        else:
            ui.label(value)


def _link(link: Link, on_open: Callable[[int], Any]) -> None:
    with ui.element("div").classes("line wrap gap-2"):
        ui.label(RELATIONS.get(link.relation, link.relation)).classes("muted small")
        anchor = ui.link(link.label or f"event {link.seq}", event_url(link.seq))
        anchor.on("click.prevent", lambda: on_open(link.seq), [])
        if link.decision_id is not None:
            ui.link("why", decision_url(link.decision_id)).props('aria-label="Why this tip was chosen"')


def _decided(event: EventDetail) -> str | None:
    """The decision that the event is."""
    return str(event.body["decision_id"]) if event.kind == "TipScored" else None


def _copy(event: EventDetail) -> None:
    whole = event.model_dump(include={"seq", "recorded_at", "subject", "headers", "body"})
    ui.clipboard.write(pretty(whole))
    ui.notify("Copied")
