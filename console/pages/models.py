"""Models."""

from console.components.notice import empty
from console.frame import Visit, page


@page("/admin/models", title="Models", group="Learning", icon="hub", order=5)
async def models(visit: Visit) -> None:
    """To come."""
    empty("Not here yet", "This page is still to be made.", link="Home", target="/admin")
