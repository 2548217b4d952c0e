"""Health."""

from console.components.notice import empty
from console.frame import Visit, page


@page("/admin/health", title="Health", group="Live", icon="monitor_heart", order=2)
async def health(visit: Visit) -> None:
    """To come."""
    empty("Not here yet", "This page is still to be made.", link="Home", target="/admin")
