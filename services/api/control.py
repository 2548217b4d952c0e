"""Asking the processes that own a projection, over the API's link to the stream."""

from typing import Any

from projections import control
from services.api.stream_link import StreamLink


async def ask(link: StreamLink, projection: str, op: str, *, timeout: float, **fields: Any) -> dict[str, Any]:
    """A process's answer to one operation. Raises BusUnavailable (NoAnswer), RequestFailed with its own words."""
    return await control.ask(link.bus, projection, op, within=timeout, **fields)
