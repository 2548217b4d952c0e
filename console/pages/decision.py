"""One decision opened: its score taken apart, its rivals, what was known, what followed, and what it would be today."""

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from console.addresses import Address, event_url, url, user_url
from console.components.chart import Chart, Option
from console.components.later import later
from console.components.notice import Tone, chip, empty
from console.components.panel import figure, panel
from console.components.table import Column, Row, Table
from console.frame import Visit
from console.ids import shown_id
from console.moments import amount, latency, measured, moment, reward, score, signed_score
from console.reactions import action_tone, words_of
from services.api.admin.grounds import Grounds, grounds
from services.api.admin.why import Terms, Why, describe, terms_of

VERDICTS: dict[str, tuple[str, Tone]] = {
    "identical": ("recomputed: identical", "good"),
    "close": ("recomputed: close", "good"),
    "mismatched": ("recomputed: mismatched", "bad"),
    "external": ("external", ""),
    "not_recomputed": ("not recomputed", "warn"),
}
IMPUTED = {"absent": "never told", "expired": "its token had expired", "old": "too old"}
UP, DOWN, BONUS, TOTAL = "#2e90fa", "#f79009", "#12b76a", "#98a2b3"


def show_decision(visit: Visit, decision_id: str, address: Address) -> None:
    """The decision, as soon as it has been made again from the log."""

    async def build() -> None:
        found = await grounds(visit.parts, decision_id)
        Opened(found, describe(found), address).build()

    later(visit.watch, build, 92, 92, 420)


class Opened:
    """A decision that was found; a click on a candidate shows that one's terms."""

    def __init__(self, found: Grounds, why: Why, address: Address) -> None:
        self._found, self._why, self._address = found, why, address
        self._titles = {one.tip_id: one.title or one.tip_id for one in why.candidates}

    def build(self) -> None:
        """All panels, in the order of the questions one has."""
        self._summary()
        with ui.element("div").classes("cols uneven"):
            self._terms()
            self._candidates()
        self._features()
        self._signals()
        with ui.element("div").classes("cols"):
            self._reactions()
            self._today()
            self._shadows()
            self._made_from()

    def _summary(self) -> None:
        why, one = self._why, self._why.decision
        word, tone = VERDICTS[why.recomputation.verdict]
        with panel(self._title(one.tip_id)) as head:
            with head.actions:
                chip(word, tone)
                chip("explored", "accent") if one.explored else None
            with ui.element("div").classes("line wrap small"):
                ui.label("for")
                ui.link(shown_id(one.user_id), user_url(one.user_id)).classes("mono break")
                ui.label(f"by {one.policy} v{one.policy_version}, {moment(one.occurred_at.isoformat())} UTC")
                ui.link("feature history", url("/admin/features", user=one.user_id))
                ui.link(f"event {one.seq}", event_url(one.seq)).classes("mono")
            ui.label(why.recomputation.said).classes("muted small break")
        with ui.element("div").classes("cols figures").style("--col: 160px"):
            figure("Score", "–" if one.score is None else score(one.score), note=_sum_of(one.mean, one.bonus))
            chance = "drawn by the exploration floor" if one.explored else "the policy's own choice"
            figure("Propensity", score(one.propensity), note="as logged" if one.external else chance)
            reacted = "no reaction yet" if one.reward is None else words_of(one.verdict, one.outcome)
            figure("Reward", "–" if one.reward is None else reward(one.reward), note=reacted)
            imputed = f"{one.imputed} of {one.feature_count} features imputed"
            figure("Latency", latency(one.latency_us), note=imputed if not one.external else "")

    def _terms(self) -> None:
        nothing = ("Not taken apart", self._why.recomputation.said)
        columns = [
            Column("feature", "Feature"),
            Column("x", "x", "number", show=score),
            Column("theta", "θ", "number", show=score),
            Column("value", "θ·x", "number", show=signed_score),
            Column("upto", "Sum", "number", show=signed_score),
        ]
        self._chart = Chart(
            "What the score is made of", _waterfall, columns, [], nothing=nothing, height=440,
            note=f"each feature's θ·x, together the mean; then the bonus. {self._why.rule}",
        )  # fmt: skip
        with self._chart.panel.body:
            self._whose = ui.label().classes("small muted")
        self._whose.move(target_index=1)
        self._show_terms(self._address.values["candidate"] or self._why.decision.tip_id)

    def _show_terms(self, tip_id: str) -> None:
        known = tip_id in self._titles
        shown = tip_id if known else self._why.decision.tip_id
        terms = terms_of(self._found, shown)
        self._whose.text = f"of {self._title(shown)}" + ("" if known else f" ({tip_id!r:.60} was no candidate)")
        self._chart.show([] if terms is None else _steps(terms))

    def _candidates(self) -> None:
        columns = [
            Column("tip", "Tip"),
            Column("mean", "Mean", "number", show=score),
            Column("bonus", "Bonus", "number", show=score),
            Column("score", "Score", "number", show=score),
            Column("propensity", "Propensity", "number", show=score),
            Column("score_today", "Today", "number", show=score),
        ]
        rows = [one.model_dump() | {"tip": self._title(one.tip_id)} for one in self._why.candidates]
        rows.sort(key=lambda row: (not row["chosen"], -(row["score"] or 0.0)))
        shown = self._address.values["candidate"] or self._why.decision.tip_id
        with panel("Candidates", flush=True, note="the chosen one first; choose one to take its score apart"):
            table = Table(
                columns, [], label="Candidates", on_choose=lambda row: choose(row), page_size=0, height="500px"
            )
        table.show(rows, chosen=lambda row: row["tip_id"] == shown)

        def choose(row: Row) -> None:
            self._address.set(candidate=row["tip_id"])
            self._show_terms(row["tip_id"])
            table.show(rows, chosen=lambda other: other is row)

    def _features(self) -> None:
        columns = [
            Column("name", "Feature", "id"),
            Column("value", "x", "number", show=_number),
            Column("theta", "θ", "number", show=score),
            Column("contribution", "θ·x", "number", show=_short),
            Column("mark", "Mark", "chip", tone=lambda row: "bad" if row["mark"] == "stale" else "warn"),
            Column("description", "What it is"),
        ]
        terms = {term.feature: term.model_dump() for term in self._why.terms.terms} if self._why.terms else {}
        rows = [one.model_dump() | {"mark": one.mark or ""} | terms.get(one.name, {}) for one in self._why.features]
        with panel(
            "Features as seen then",
            flush=True,
            note="of the chosen tip; missing: a default stood in for a signal; stale: because its token had expired",
        ):
            if rows:
                Table(columns, rows, label="Features as seen then", page_size=0)
            else:
                empty("No features", "The decision was logged without any.")

    def _signals(self) -> None:
        columns = [
            Column("description", "Signal"),
            Column("used", "Value", "number", show=_number),
            Column("said", "Where it came from", "chip", tone=lambda row: row["tone"]),
            Column("source", "Source", "id"),
            Column("observed_at", "Observed", "time", show=moment),
            Column("token_expires_at", "Token until", "time", show=moment),
        ]
        rows = []
        for one in self._why.signals:
            row = one.model_dump(mode="json")
            told = one.imputed is None
            said = "as told" if one.imputed is None else f"default: {IMPUTED[one.imputed]}"
            tone = "good" if told else "bad" if one.imputed == "expired" else "warn"
            rows.append(row | {"used": one.value if told else one.default, "said": said, "tone": tone})
        with panel("Signals behind them", flush=True, note="a default stands in for what was missing"):
            if rows:
                Table(columns, rows, label="Signals", page_size=0)
            else:
                empty("No signals of ours", "Somebody else's features were logged as they were.")

    def _reactions(self) -> None:
        columns = [
            Column("occurred_at", "Time", "time", show=moment),
            Column("action", "Action", "chip", show=words_of, tone=lambda row: action_tone(row["action"])),
            Column("status", "Status"),
            Column("effect", "Learned as"),
            Column("reward_delta", "Reward", "number", show=reward),
            Column("seq", "Event", "id", show=str, link=lambda row: event_url(row["seq"])),
        ]
        with panel("Reactions", flush=True):
            if rows := [one.model_dump(mode="json") for one in self._why.reactions]:
                Table(columns, rows, label="Reactions", page_size=0)
            else:
                empty("No reaction yet", "It joins when the person presses a button, within 24 hours or by its id.")

    def _today(self) -> None:
        today = self._why.today
        with panel("Today", note="the same context and policy, with what is known of the person now"):
            if today is None:
                empty("Nothing to compare", self._why.today_problem)
                return
            same = today.tip_id == self._why.decision.tip_id
            if today.indifferent:
                ui.label("Every candidate scores alike: this policy draws at random.")
            else:
                with ui.element("div").classes("line wrap"):
                    ui.label(f"{self._title(today.tip_id)} would score best: {score(today.score)}")
                    chip("the same tip" if same else "another tip", "good" if same else "accent")
            learned = today.state_version - self._why.state_version
            changes = "pull, correction or reset" if learned == 1 else "pulls, corrections and resets"
            facts = {
                "learned since": f"{learned:,} {changes}",
                "policy": f"{today.standing}, version {today.policy_version}",
                "parameters": _listed(today.params),
                "model": today.model_version,
                "retired since": ", ".join(map(self._title, today.left_out)) or "none",
            }
            _facts(facts)

    def _shadows(self) -> None:
        columns = [
            Column("policy", "Policy"),
            Column("prior", "Prior", "id"),
            Column("tip", "Would have shown"),
            Column("agreed", "Agreed", "chip", tone=lambda row: "good" if row["agreed"] == "yes" else "accent"),
            Column("score", "Score", "number", show=score),
            Column("chosen_propensity", "Chance of what was shown", "number", show=score),
            Column("seq", "Event", "id", show=str, link=lambda row: event_url(row["seq"])),
        ]
        rows = [
            one.model_dump()
            | {"tip": self._title(one.tip_id), "agreed": "yes" if one.agreed else "no"}
            | {"prior": f"{one.model_version}, in shadow" if one.model_version else "the promoted one"}
            for one in self._why.shadows
        ]
        with panel("Shadows", flush=True):
            if rows:
                Table(columns, rows, label="Shadows", page_size=0)
            elif self._why.shadows_problem:
                empty("Not known now", self._why.shadows_problem, link="Health", target="/admin/health")
            else:
                empty(
                    "Nothing scored along", "A policy or a model in shadow decides too, without being shown.",
                    link="Put one into shadow", target="/admin/ops",
                )  # fmt: skip

    def _made_from(self) -> None:
        why = self._why
        with panel("What it was made from"):
            _facts(
                {
                    "decision": why.decision.decision_id,
                    "parameters": _listed(why.params),
                    "feature set": why.feature_set,
                    "model": why.model_version,
                    "state version": f"{why.state_version}",
                    "kernel": why.kernel,
                    "matrix": f"{amount(why.decision.candidate_count, 'candidates')}, SHA-256 {why.x_digest or '–'}",
                    "stale sources": ", ".join(why.stale_sources) or "none",
                    "read to make it again": f"{amount(why.recomputation.events, 'events')} of this person",
                }
            )

    def _title(self, tip_id: str) -> str:
        return self._titles.get(tip_id, tip_id)


def _steps(terms: Terms) -> list[Row]:
    """The waterfall's rows: each feature, the mean, the bonus, the score; `start` and `upto` are a bar's ends."""
    rows: list[Row] = []
    at = 0.0
    for term in sorted(terms.terms, key=lambda term: -abs(term.contribution)):
        rows.append(
            {
                "feature": term.feature, "x": term.x, "theta": term.theta, "value": term.contribution, "start": at,
                "upto": at + term.contribution, "colour": UP if term.contribution >= 0 else DOWN,
            }
        )  # fmt: skip
        at += term.contribution
    mean, bonus, score = terms.mean, terms.bonus, terms.score
    rows.append({"feature": "mean", "value": mean, "start": 0.0, "upto": mean, "colour": TOTAL})
    rows.append({"feature": "bonus", "value": bonus, "start": mean, "upto": mean + bonus, "colour": BONUS})
    rows.append({"feature": "score", "value": score, "start": 0.0, "upto": score, "colour": TOTAL})
    return rows


def _waterfall(rows: Sequence[Row]) -> Option:
    """Horizontal bars from `start` to `upto`: what lies between zero and the bar is drawn invisible."""
    hidden, above, below = [], [], []
    for row in rows:
        low, high = sorted((row["start"], row["upto"]))
        hidden.append(low if low > 0 else high if high < 0 else 0.0)
        style = {"itemStyle": {"color": row["colour"]}}
        above.append({"value": max(high, 0.0) - max(low, 0.0), **style})
        below.append({"value": min(low, 0.0) - min(high, 0.0), **style})
    bar = {"type": "bar", "stack": "score", "silent": True, "barCategoryGap": "25%"}
    return {
        "grid": {"left": 8, "right": 24, "top": 8, "bottom": 8, "containLabel": True},
        "xAxis": {"type": "value"},
        "yAxis": {
            "type": "category", "inverse": True, "axisLabel": {"interval": 0, "fontFamily": "Roboto Mono, monospace"},
            "data": [f"{row['feature']} {_short(row['value'])}" for row in rows],
        },
        "series": [
            {**bar, "data": hidden, "itemStyle": {"color": "transparent"}},
            {**bar, "data": above},
            {**bar, "data": below},
        ],
    }  # fmt: skip


def _facts(facts: Mapping[str, str]) -> None:
    """Names with what they stand for."""
    with ui.element("dl").classes("facts"):
        for name, value in facts.items():
            with ui.element("dt"):
                ui.label(name)
            with ui.element("dd"):
                ui.label(value).classes("mono break")


def _sum_of(mean: float | None, bonus: float | None) -> str:
    return "" if mean is None or bonus is None else f"mean {score(mean)}, bonus {score(bonus)}"


def _listed(params: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in params.items()) or "none"


def _short(value: float) -> str:
    return f"{value:+.3f}" if abs(value) >= 0.0005 else "0"


def _number(value: Any) -> str:
    return measured(value) if isinstance(value, float) else str(value)
