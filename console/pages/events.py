"""Events."""

from console.components.notice import empty
from console.frame import Visit, page


@page("/admin/events", title="Events", group="Live", icon="bolt", order=1)
async def events(visit: Visit) -> None:
    """To come."""
    empty("Not here yet", "This page is still to be made.", link="Home", target="/admin")
