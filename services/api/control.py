"""Asking the processes that own a projection, over core NATS beside the stream: `tipstream.ctl.<projection>`."""

from typing import Any

import orjson

from services.api.stream_link import StreamLink

SUBJECT = "tipstream.ctl.{}"


async def ask(link: StreamLink, projection: str, op: str, *, timeout: float, **fields: Any) -> dict[str, Any]:
    """A process's answer to one operation. Raises BusUnavailable (NoAnswer), RequestFailed with its own words."""
    question = orjson.dumps({"op": op, **fields})
    answer: dict[str, Any] = orjson.loads(await link.bus.request(SUBJECT.format(projection), question, timeout))
    return answer
