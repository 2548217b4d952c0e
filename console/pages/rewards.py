"""Rewards."""

from console.components.notice import empty
from console.frame import Visit, page


@page("/admin/rewards", title="Rewards", group="Learning", icon="bar_chart", order=4)
async def rewards(visit: Visit) -> None:
    """To come."""
    empty("Not here yet", "This page is still to be made.", link="Home", target="/admin")
