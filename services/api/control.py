"""Asking the processes that own a projection, over the API's link to the stream."""

from typing import Any

from projections import control
from services.api.stream_link import StreamLink
from services.bus.errors import NoAnswer

PROCESSES = {"sqlite": "projector"}
"""The processes that are not called as the projection which they own."""


async def ask(link: StreamLink, projection: str, op: str, *, timeout: float, **fields: Any) -> dict[str, Any]:
    """A process's answer to one operation. Raises BusUnavailable (NoAnswer), RequestFailed with its own words."""
    try:
        return await control.ask(link.bus, projection, op, within=timeout, **fields)
    except NoAnswer:
        process = PROCESSES.get(projection, projection)
        raise NoAnswer(f"the {process} process did not answer within {timeout:g} s; health says why") from None
