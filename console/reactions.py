"""Reactions to tips as people read them, and how they are coloured, which never says more than the words beside it."""

from console.components.notice import Tone


def words_of(*reactions: str | None) -> str:
    """Reactions as people read them."""
    return " · ".join(one.replace("_", " ") for one in reactions if one)


def tone_of(reward: float | None) -> Tone:
    """How a decision's reaction is coloured."""
    return "" if reward is None else "good" if reward > 0 else "bad" if reward < 0 else "warn"


def action_tone(action: str) -> Tone:
    """How one button that was pressed is coloured."""
    tones: dict[str, Tone] = {"helpful": "good", "done": "good", "snoozed": "warn"}
    return tones.get(action, "bad")
