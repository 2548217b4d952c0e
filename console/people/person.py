"""One person: what they did, what is known and was learned of them, and what may be done about them."""

from asyncio import to_thread
from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from console.addresses import decision_url, url
from console.components.panel import figure, icon_button, panel
from console.components.table import Column, Row, Table
from console.frame import Visit
from console.ids import shown_id
from console.moments import count, moment, number, reward, score
from console.people.deeds import Deeds
from console.people.picker import seen
from console.reactions import action_tone, tone_of, words_of
from contracts.times import parse_time
from services.api.admin.tips import tips
from services.api.admin.users import Person, person
from services.api.parts import Parts
from services.publishing import now_us

SIGNALS = (
    Column("name", "Feature", "id"),
    Column("value", "Value", "number"),
    Column("source", "Source"),
    Column("state", "State", "chip", tone=lambda row: "warn" if row["state"] == "stale" else "good"),
    Column("observed_at", "Observed", "time", show=moment),
    Column("token_expires_at", "Token expires", "time", show=moment),
)
LEARNED = (
    Column("feature_set", "Feature set", "id"),
    Column("pulls", "Pulls", "number", show=count),
    Column("cumulative_reward", "Reward", "number", show=number),
    Column("mean", "Mean", "number", show=number),
    Column("state_version", "State version", "number", show=count),
    Column("reset", "Last reset", "number"),
)
DECISIONS = (
    Column("occurred_at", "When", "time", show=moment),
    Column("tip", "Tip", link=lambda row: decision_url(row["decision_id"])),
    Column("policy", "Policy"),
    Column("score", "Score", "number", show=score),
    Column("propensity", "Propensity", "number", show=score),
    Column("reaction", "Reaction", "chip", tone=lambda row: tone_of(row["reward"])),
    Column("reward", "Reward", "number", show=reward),
)
FEEDBACK = (
    Column("occurred_at", "When", "time", show=moment),
    Column("action", "Action", "chip", show=words_of, tone=lambda row: action_tone(row["action"])),
    Column("tip", "Tip"),
    Column("status", "Joined"),
    Column("effect", "Effect"),
    Column("decision_id", "Decision", "id", show=lambda found: found[:24],
           link=lambda row: decision_url(row["decision_id"]) if row["decision_id"] else None),
)  # fmt: skip


async def show_person(visit: Visit, user_id: str) -> None:
    """The page of one person; of whom nobody has seen it says so."""
    if await seen(visit, user_id):
        _PersonView(visit, user_id).show(*await to_thread(_known, visit.parts, user_id))


def _known(parts: Parts, user_id: str) -> tuple[Person, dict[str, str]]:
    """What is known of a person, and the titles of tips by their ids."""
    return person(parts, user_id), {row["tip_id"]: row["title"] for row in tips(parts)}


class _PersonView:
    def __init__(self, visit: Visit, user_id: str) -> None:
        self._visit, self._user_id = visit, user_id
        with panel("Person"):
            with ui.element("div").classes("line w-full"):
                ui.label(shown_id(user_id)).classes("mono break").style("white-space: pre-wrap").props(
                    'aria-label="User id"'
                )
                icon_button("content_copy", "Copy the id", lambda: ui.clipboard.write(user_id))
            with ui.element("nav").classes("line wrap gap-4").props('aria-label="More of this person"'):
                for words, path in (
                    ("Decisions", "/admin/recommendations"), ("Features", "/admin/features"),
                    ("Learning", "/admin/experiments"), ("Events", "/admin/events"),
                ):  # fmt: skip
                    ui.link(words, url(path, user=user_id))
                ui.link("Everybody", "/admin/users")
            Deeds(visit, user_id, self._again)
        self._figures = ui.element("div").classes("cols figures").style("--col: 160px")
        with panel("What is known", note="The latest value of each signal.", flush=True):
            self._signals = Table(SIGNALS, (), label="What is known", page_size=0, nothing="No signal came in yet.")
        with panel("What was learned", flush=True):
            self._learned = Table(
                LEARNED, (), label="What was learned", page_size=0, nothing="No reaction was learned from yet."
            )
        with panel("Latest decisions", flush=True):
            self._decisions = Table(
                DECISIONS, (), label="Latest decisions", page_size=10, nothing="No tip was chosen for them yet."
            )
        with panel("Latest feedback", flush=True):
            self._feedback = Table(
                FEEDBACK, (), label="Latest feedback", page_size=10, nothing="They reacted to no tip yet."
            )

    async def _again(self) -> None:
        self.show(*await to_thread(_known, self._visit.parts, self._user_id))

    def show(self, found: Person, titles: Mapping[str, str]) -> None:
        """Everything the read model holds of them."""
        self._figures.clear()
        with self._figures:
            _figures(found)
        now = now_us()
        self._signals.show([row | {"state": _state(row, now)} for row in found.online_features])
        self._learned.show([_learned(row) for row in found.stats])
        self._decisions.show(_titled([row | {"reaction": _reaction(row)} for row in found.decisions], titles))
        self._feedback.show(_titled(found.feedback, titles))


def _figures(found: Person) -> None:
    user = found.user
    pulls = sum(row["pulls"] for row in found.stats)
    reward = sum(row["cumulative_reward"] for row in found.stats)
    figure("Decisions", count(user["decisions"]), note=f"heard of since {moment(user['first_seen'])}")
    figure("Feedback", count(user["feedback"]), note=f"last seen {moment(user['last_seen'])}")
    figure("Signals", count(user["signals"]))
    figure("Pulls", count(pulls), note="decisions learned from")
    figure("Cumulative reward", number(reward))
    figure("Mean reward", number(reward / pulls if pulls else None), note="a pull")


def _learned(row: dict[str, Any]) -> Row:
    mean = row["cumulative_reward"] / row["pulls"] if row["pulls"] else None
    return row | {"mean": mean, "reset": row["reset_seq"] or "never"}


def _state(row: dict[str, Any], now: int) -> str:
    expires = row["token_expires_at"]
    return "stale" if expires is not None and parse_time(expires) < now else "fresh"


def _titled(rows: Sequence[Row], titles: Mapping[str, str]) -> list[Row]:
    return [{**row, "tip": titles.get(row["tip_id"], row["tip_id"])} for row in rows]


def _reaction(row: Row) -> str:
    return words_of(row["verdict"], row["outcome"]) or "none yet"
