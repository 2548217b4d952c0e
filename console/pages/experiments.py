"""Experiments."""

from console.components.notice import empty
from console.frame import Visit, page


@page("/admin/experiments", title="Experiments", group="Learning", icon="science", order=3)
async def experiments(visit: Visit) -> None:
    """To come."""
    empty("Not here yet", "This page is still to be made.", link="Home", target="/admin")
