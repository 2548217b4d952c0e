"""Home."""

from console.components.notice import empty
from console.frame import Visit, page


@page("/admin", title="Home", group="", icon="home", order=0)
async def home(visit: Visit) -> None:
    """To come."""
    empty("Not here yet", "This page is still to be made.", link="Home", target="/admin")
