"""Letting a policy decide for people: what the ladder refuses can be forced, with a reason that stays in the log."""

from collections.abc import Awaitable, Callable

from console.components.confirm import reasoned
from services.api.admin.commands import Commanded
from services.api.admin.ladder import ShadowFirst


async def climb(
    act: Callable[[bool, str | None], Awaitable[Commanded]], title: str, reason: str | None
) -> Commanded | None:
    """What `act(force, reason)` did, forced if somebody insists; None when they leave it."""
    try:
        return await act(False, reason)
    except ShadowFirst as refusal:
        why = await reasoned(title, refusal.detail, action="Force", danger=True, needed=True)
        return None if why is None else await act(True, why)
