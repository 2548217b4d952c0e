"""No body above the size of an event is read; the refusal is a problem document like any other."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.codec import MAX_BODY_BYTES
from services.problems import Problem


class BodyLimit:
    """ASGI middleware: reads each body whole, 413 above `limit` bytes, before any route sees it.

    Paths that begin with `streamed` are left alone: their route counts while it passes the body on.
    """

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY_BYTES, streamed: str | None = None) -> None:
        self._app = app
        self._limit = limit
        self._streamed = streamed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        passed = scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS")
        if passed or (self._streamed is not None and scope["path"].startswith(self._streamed)):
            await self._app(scope, receive, send)
            return
        messages = await self._read(Headers(scope=scope).get("content-length", ""), receive)
        if messages is None:
            detail = f"a body may have {self._limit} bytes"
            problem = Problem(413, "Content Too Large", detail, field="body", headers={"Connection": "close"})
            await problem.response()(scope, receive, send)
            return
        waiting = iter(messages)

        async def replay() -> Message:
            return next(waiting, None) or await receive()

        await self._app(scope, replay, send)

    async def _read(self, announced: str, receive: Receive) -> list[Message] | None:
        if announced.isascii() and announced.isdigit() and int(announced[:12]) > self._limit:
            return None
        messages, size, more = [], 0, True
        while more:
            message = await receive()
            messages.append(message)
            size += len(message.get("body", b""))
            if size > self._limit:
                return None
            more = message["type"] == "http.request" and message.get("more_body", False)
        return messages
