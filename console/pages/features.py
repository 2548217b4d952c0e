"""Features."""

from console.components.notice import empty
from console.frame import Visit, page


@page("/admin/features", title="Features", group="Learning", icon="grid_on", order=2)
async def features(visit: Visit) -> None:
    """To come."""
    empty("Not here yet", "This page is still to be made.", link="Home", target="/admin")
