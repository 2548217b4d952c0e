"""Recommendations."""

from console.components.notice import empty
from console.frame import Visit, page


@page("/admin/recommendations", title="Recommendations", group="Learning", icon="recommend", order=1)
async def recommendations(visit: Visit) -> None:
    """To come."""
    empty("Not here yet", "This page is still to be made.", link="Home", target="/admin")
