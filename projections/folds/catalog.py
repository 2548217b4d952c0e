"""`tips`: the catalog, and how it stood at any sequence, which recomputing a score asks for."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from contracts.events.catalog import TipPublished, TipRetired
from projections.folds.attribution import Step
from projections.folds.changes import Change, Patch, Put
from projections.folds.tables import TIPS


@dataclass(slots=True)
class Tip:
    """A tip as last published; `active` until it is retired."""

    tip_id: str
    title: str
    category: str
    effort: int
    minutes: int
    active: bool
    seq: int


@dataclass(slots=True)
class CatalogState:
    """Every version of each tip in stream order, and the sequence of the last catalog event."""

    versions: dict[str, list[Tip]] = field(default_factory=dict)
    seq: int = 0

    def get(self, tip_id: str) -> Tip | None:
        """The tip as it stands, retired ones too."""
        versions = self.versions.get(tip_id)
        return versions[-1] if versions else None

    def at(self, tip_id: str, seq: int) -> Tip | None:
        """The tip as it stood once the catalog had reached `seq`."""
        versions = self.versions.get(tip_id, [])
        index = bisect_right(versions, seq, key=lambda tip: tip.seq)
        return versions[index - 1] if index else None

    def active(self) -> list[Tip]:
        """The tips that may be shown, in order of their ids."""
        latest = (versions[-1] for _, versions in sorted(self.versions.items()))
        return [tip for tip in latest if tip.active]


def fold_catalog(state: CatalogState, step: Step) -> Iterable[Change]:
    """Fold a step into `state`; the row of the tip it publishes or retires."""
    if step.entry is None:
        return
    event = step.entry.event
    if isinstance(event, TipPublished):
        tip = Tip(event.tip_id, event.title, event.category, event.effort, event.minutes, True, step.seq)
        _append(state, tip)
        yield Put(
            TIPS,
            (
                event.tip_id, event.title, event.body, event.category, event.effort, event.minutes, True, step.seq,
                step.entry.occurred_us,
            ),
        )  # fmt: skip
    elif isinstance(event, TipRetired):
        known = state.get(event.tip_id)
        if known is not None:
            retired = Tip(known.tip_id, known.title, known.category, known.effort, known.minutes, False, step.seq)
            _append(state, retired)
            changed = {"active": False, "seq": step.seq, "changed_at": step.entry.occurred_us}
            yield Patch(TIPS, (event.tip_id,), changed)


def _append(state: CatalogState, tip: Tip) -> None:
    state.versions.setdefault(tip.tip_id, []).append(tip)
    state.seq = tip.seq
