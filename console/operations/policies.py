"""The policies' standing, and the form that changes it."""

from asyncio import to_thread
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from nicegui import ui

from console.components.confirm import reasoned
from console.components.filters import choice_filter, number_field
from console.components.notice import Tone, notice
from console.components.panel import panel
from console.components.table import Column, Table
from console.frame import Visit
from console.moments import amount, latency, moment, percent
from console.operations.climbing import climb
from ml.policies.params import PARAMETERS, TAKEN
from ml.policies.registry import POLICIES
from services.api.admin.commands import Commanded, folded
from services.api.admin.ladder import Shadowed, policies, shadowed
from services.api.admin.policies import PolicyChange, change_policy, scaled
from services.bus.errors import BusUnavailable, RequestFailed
from services.recommender.assignment import FALLBACK

TONES: dict[str, Tone] = {"live": "good", "shadow": "accent", "disabled": ""}
ACTIONS = {
    "enable": "Enable: decide for its share of people",
    "shadow": "Shadow: score along, touch nobody",
    "rollout": "Roll out: decide for so many of all people",
    "promote": "Promote: decide alone",
    "disable": "Disable",
}
COLUMNS = (
    Column("policy", "Policy", "id"),
    Column("standing", "Standing", "chip", tone=lambda row: TONES[row["standing"]]),
    Column("share", "Share of people", "number", show=percent),
    Column("weight", "Weight", "number"),
    Column("params", "Parameters"),
    Column("version", "Version", "number"),
    Column("changed_by", "Changed by"),
    Column("changed_at", "Changed", "time", show=moment),
)


IN_SHADOW = (
    Column("policy", "Policy", "id"),
    Column("progress", "Scored along"),
    Column("agreement", "Agrees", "number", show=percent),
    Column("estimate", "Reward it would have got"),
    Column("shown_reward", "Reward shown tips got", "number"),
    Column("p99_latency_us", "p99", "number", show=latency),
)


class Policies:
    """The table, and for those who operate the form under it."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit
        self._changed: Callable[[int], Awaitable[None]] | None = None
        with panel("Policies", note="Which policy decides, and for how many people."):
            self._table = Table(COLUMNS, (), label="Policies", page_size=0)
            self._shadows = ui.element("div").classes("w-full")
            if visit.may("operate"):
                self._form()
        ui.timer(0, self.show, once=True)

    def on_change(self, changed: Callable[[int], Awaitable[None]]) -> None:
        """Call this after a change, with the event's sequence."""
        self._changed = changed

    async def show(self) -> None:
        """What the registry says now."""
        rows = await to_thread(policies, self._visit.parts)
        shares = shares_of(rows)
        await self._show_shadows(any(row["standing"] == "shadow" for row in rows))
        self._table.show([row | {"share": shares.get(row["policy"]), "params": _said(row["params"])} for row in rows])

    async def _show_shadows(self, some: bool) -> None:
        """What policies in shadow have shown so far."""
        self._shadows.clear()
        if not some:
            return
        try:
            found = await shadowed(self._visit.parts)
        except (BusUnavailable, RequestFailed) as problem:
            with self._shadows:
                notice(f"What policies in shadow have shown is not known now: {problem}", tone="warn")
            return
        with self._shadows:
            ui.label("In shadow").classes("field-label")
            Table(IN_SHADOW, [_shadow_row(one) for one in found], label="In shadow", page_size=0)

    def _form(self) -> None:
        with ui.element("div").classes("line wrap end"):
            self._policy = choice_filter(
                "Policy", {name: name for name in sorted(POLICIES)}, "linucb", lambda _: self._offer()
            )
            self._action = choice_filter("Change", ACTIONS, "enable", lambda _: self._offer())
            self._weight = number_field("Weight", 1.0)
            self._share = number_field("Share, %", 20.0, 0.1, 99.9)
            self._params = {}
            for name, known in PARAMETERS.items():
                self._params[name] = number_field(name, None, known.low, known.high, hint="as it was")
                self._params[name].tooltip(f"{known.meaning}: {known.low:g} to {known.high:g}")
            ui.button("Change…", on_click=self._ask, color="primary").props("unelevated")
        self._offer()

    def _offer(self) -> None:
        """Only what the action and the policy take."""
        action, taken = self._action.value, TAKEN[self._policy.value]
        self._weight.parent_slot.parent.visible = action == "enable"  # type: ignore[union-attr]
        self._share.parent_slot.parent.visible = action == "rollout"  # type: ignore[union-attr]
        for name, field in self._params.items():
            field.parent_slot.parent.visible = action != "disable" and name in taken  # type: ignore[union-attr]

    async def _ask(self) -> None:
        action, name = self._action.value, self._policy.value
        values = {key: self._params[key].value for key in TAKEN[name]}
        given = {key: float(value) for key, value in values.items() if value is not None}
        asked: dict[str, Any] = {"policy": name, "action": action}
        if action == "enable":
            asked["weight"] = float(self._weight.value or 0)
        if action == "rollout":
            asked["share"] = float(self._share.value or 0) / 100
        if action != "disable":
            asked["params"] = given
        change = PolicyChange.model_validate(asked)
        text = consequence(await to_thread(policies, self._visit.parts), change)
        reason = await reasoned(f"{action.title()} {name}?", text, action=action.title(), danger=action == "disable")
        if reason is None:
            return
        await self._visit.check("operate")

        async def act(force: bool, why: str | None) -> Commanded:
            asked = change.model_copy(update={"reason": why or None, "force": force})
            return await change_policy(self._visit.parts, asked, self._visit.actor)

        done = await climb(act, f"Force {name}?", reason)
        if done is None:
            return
        if await folded(self._visit.parts, done.seq):
            ui.notify(f"Done: event {done.seq}. The next decisions follow it.")
        else:
            ui.notify(f"Asked for: event {done.seq}. The read model is behind; see Health.", type="warning")
        await self.show()
        if self._changed is not None:
            await self._changed(done.seq)


def shares_of(rows: list[dict[str, Any]]) -> dict[str, float]:
    """Each live policy's share of people."""
    live = {row["policy"]: row["weight"] for row in rows if row["standing"] == "live" and row["weight"] > 0}
    return {policy: weight / sum(live.values()) for policy, weight in live.items()}


def consequence(rows: list[dict[str, Any]], change: PolicyChange) -> str:
    """What a change would do to who decides, in words."""
    before = {row["policy"]: row for row in rows}
    after = {name: dict(row) for name, row in before.items()}
    changed = after.setdefault(change.policy, {"policy": change.policy, "standing": "disabled", "weight": 0.0})
    if change.action == "promote":
        for row in after.values():
            if row["standing"] == "live":
                row |= {"standing": "disabled", "weight": 0.0}
    if change.share is not None:
        others = {
            name: row["weight"] for name, row in after.items() if row["standing"] == "live" and row is not changed
        }
        for name, left in scaled(others, change.share).items() if others else ():
            after[name]["weight"] = left
    standing = {"shadow": "shadow", "disable": "disabled"}.get(change.action, "live")
    weight = {"enable": change.weight, "promote": 1.0, "rollout": change.share}.get(change.action, 0.0)
    changed |= {"standing": standing, "weight": weight}
    was = before.get(change.policy, {}).get("standing", "disabled")
    lines = [f"{change.policy}: {was} → {standing}", f"Who decides now: {_shares(rows)}"]
    lines.append(f"Who decides then: {_shares(list(after.values()))}")
    if change.params:
        lines.append(f"Parameters: {_said(change.params)}")
    return "\n".join(lines)


def _shadow_row(one: Shadowed) -> dict[str, Any]:
    told = one.model_dump()
    told["progress"] = (
        f"{one.decisions:,} of {amount(one.needed_decisions, 'decisions')}, "
        f"{one.days:,} of {amount(one.needed_days, 'days')}"
    )
    return told | {"estimate": one.interval}


def _shares(rows: list[dict[str, Any]]) -> str:
    shares = shares_of(rows)
    said = ", ".join(f"{policy} {percent(share)}" for policy, share in sorted(shares.items()))
    return said or f"{FALLBACK}, since no policy is live"


def _said(params: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in params.items()) or "defaults"
