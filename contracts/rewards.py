"""The reward rule: what each action is worth and how a decision's number comes from its reactions."""

from typing import Final, Literal, get_args

Action = Literal["done", "helpful", "snoozed", "dismissed", "not_helpful"]
ACTIONS: Final[tuple[str, ...]] = get_args(Action)

VERDICTS: Final[dict[str, float]] = {"helpful": 0.5, "not_helpful": -0.5}
"""What the person said of the tip."""

OUTCOMES: Final[dict[str, float]] = {"done": 1.0, "snoozed": 0.0, "dismissed": -0.25}
"""What the person did with the tip."""


def reward(verdict: str | None, outcome: str | None) -> float:
    """A decision's reward: the latest verdict plus the latest outcome; each counts 0 until it is given."""
    said = VERDICTS[verdict] if verdict is not None else 0.0
    did = OUTCOMES[outcome] if outcome is not None else 0.0
    return said + did
