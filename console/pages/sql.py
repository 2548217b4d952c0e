"""SQL."""

from console.components.notice import empty
from console.frame import Visit, page


@page("/admin/sql", title="SQL", group="Data", icon="terminal", order=3)
async def sql(visit: Visit) -> None:
    """To come."""
    empty("Not here yet", "This page is still to be made.", link="Home", target="/admin")
