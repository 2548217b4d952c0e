"""A state with as many tips as a benchmark wants, and a context in which every signal is known."""

from typing import Any

from contracts.times import format_time
from ml.features.definitions import CATEGORIES, WELLBEING_V1
from projections.folds.catalog import Tip
from projections.folds.projection import State


def begun_state(k: int) -> tuple[State, list[str]]:
    """A state that knows k tips and nobody, and the tips' ids."""
    state, tip_ids = State(), [f"tip-{place:03d}" for place in range(k)]
    for place, tip_id in enumerate(tip_ids):
        category = CATEGORIES[place % len(CATEGORIES)]
        tip = Tip(tip_id, tip_id, category, 1 + place % 5, 1 + (7 * place) % 60, True, place + 1)
        state.catalog.versions[tip_id] = [tip]
    state.catalog.seq = state.seq = k
    return state, tip_ids


def context_at(now_us: int) -> dict[str, Any]:
    """A context with all six signals, none stale."""
    now = format_time(now_us)
    signals = {
        name: {"value": signal.default + 0.5, "source": signal.source, "observed_at": now, "token_expires_at": None}
        for name, signal in WELLBEING_V1.signals.items()
    }
    return {"now": now, "signals": signals}
