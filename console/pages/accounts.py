"""Accounts."""

from console.components.notice import empty
from console.frame import Visit, page


@page("/admin/accounts", title="Accounts", group="System", icon="key", order=2)
async def accounts(visit: Visit) -> None:
    """To come."""
    empty("Not here yet", "This page is still to be made.", link="Home", target="/admin")
