"""Users."""

from console.components.notice import empty
from console.frame import Visit, page


@page("/admin/users", title="Users", group="Data", icon="group", order=1)
async def users(visit: Visit) -> None:
    """To come."""
    empty("Not here yet", "This page is still to be made.", link="Home", target="/admin")
