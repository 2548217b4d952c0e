"""What is wrong and what to do about it, in one line each: a cause is named, what only follows from it is not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from services.api.condition import PROJECTIONS, REPLAYER, SHADOW, Component, Condition

# What cannot be asked, or says nothing of its own, while another part is away.
FOLLOWS = {"stream": frozenset({*PROJECTIONS, REPLAYER, SHADOW}), "scorer": frozenset({"outbox"})}
LEAST_FREE = 0.05
STANDS_STILL = "its fold failed on this event: mend the fold, then start the process again"
CATCHES_UP = "wait: it catches up by itself; if its lag grows, look at its log and at what else the machine does"
COMING_UP = "wait: it is starting"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be; `severity` is `bad` when somebody has to act."""

    component: str
    severity: Literal["bad", "warn"]
    says: str
    remedy: str


def findings(condition: Condition) -> list[Finding]:
    """The worst first; none when everything is well."""
    parts = condition.components
    hidden = {name for cause, names in FOLLOWS.items() if _silent(parts.get(cause)) for name in names}
    found = [_finding(name, part) for name, part in parts.items() if part.state != "up" and name not in hidden]
    found += _disk(parts.get("api"))
    return sorted(found, key=lambda one: one.severity != "bad")


def _finding(name: str, part: Component) -> Finding:
    error, remedy = part.details.get("last_error"), part.details.get("remedy")
    if part.state == "behind":
        return Finding(name, "warn", f"is {part.lag_events or 0:,} events behind", remedy or CATCHES_UP)
    if part.state == "starting":
        return Finding(name, "warn", "is starting", COMING_UP)
    if remedy is None:
        return Finding(name, "bad", f"stands still at event {part.seq or 0:,}: {error}", STANDS_STILL)
    if part.seq is not None or part.lag_events is not None:
        # It answers, and says itself why it does nothing.
        return Finding(name, "bad", f"is down: {error}", remedy)
    after = ", ".join(sorted(FOLLOWS.get(name, ())))
    return Finding(
        name, "bad", f"does not answer ({error})" + (f", so nobody hears from {after}" if after else ""), remedy
    )


def _disk(api: Component | None) -> list[Finding]:
    disk: Mapping[str, int] = (api.details.get("disk") if api is not None else None) or {}
    if not disk or disk["free_bytes"] >= LEAST_FREE * disk["total_bytes"]:
        return []
    says = f"has {disk['free_bytes'] / disk['total_bytes']:.0%} of its disk left"
    return [Finding("api", "bad", says, "make room where HOME lies: without it nothing can be stored")]


def _silent(part: Component | None) -> bool:
    return part is not None and part.state in ("down", "starting")
