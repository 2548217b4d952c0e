"""Operations."""

from console.components.notice import empty
from console.frame import Visit, page


@page("/admin/ops", title="Operations", group="System", icon="replay", order=1)
async def operations(visit: Visit) -> None:
    """To come."""
    empty("Not here yet", "This page is still to be made.", link="Home", target="/admin")
