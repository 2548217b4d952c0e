"""Data quality."""

from console.components.notice import empty
from console.frame import Visit, page


@page("/admin/quality", title="Data quality", group="Data", icon="rule", order=2)
async def quality(visit: Visit) -> None:
    """To come."""
    empty("Not here yet", "This page is still to be made.", link="Home", target="/admin")
