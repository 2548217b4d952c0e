"""The scorer as the recommender sees it: one keep-alive HTTP client, and its refusals as our errors."""

from typing import Any

import httpx

from services.http_client import http_client
from services.recommender.errors import NotReady, Refused, ScorerAway

TIMEOUT = httpx.Timeout(10.0, connect=1.0)
# Shorter than the server's own limit, so that a connection is seldom used in the moment it is closed.
LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=2.0)


def scorer_client(base_url: str, api_key: str, transport: httpx.AsyncBaseTransport | None = None) -> httpx.AsyncClient:
    """The client that all calls to the scorer share; close it at the end."""
    headers = {"Authorization": f"Bearer {api_key}"}
    return http_client(base_url, headers=headers, timeout=TIMEOUT, limits=LIMITS, transport=transport)


class ScorerClient:
    """`POST /score`, said once more when the connection breaks: the decision's id makes that safe."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def score(self, body: dict[str, Any], traceparent: str | None = None) -> dict[str, Any]:
        """The scorer's answer. Raises ScorerAway, NotReady, Refused with the scorer's own fields."""
        headers = {} if traceparent is None else {"traceparent": traceparent}
        try:
            answer = await self._post(body, headers)
        except (httpx.TransportError, httpx.InvalidURL) as problem:
            raise ScorerAway(
                f"the scorer does not answer ({type(problem).__name__}); is `tipstream scorer` up?"
            ) from None
        if answer.status_code == 200:
            scored: dict[str, Any] = answer.json()
            return scored
        raise _refusal(answer)

    async def _post(self, body: dict[str, Any], headers: dict[str, str]) -> httpx.Response:
        try:
            return await self._client.post("/score", json=body, headers=headers)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            return await self._client.post("/score", json=body, headers=headers)


def _refusal(answer: httpx.Response) -> NotReady | Refused:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    detail = str(problem.get("detail") or f"the scorer answered {answer.status_code}")
    if answer.status_code in (401, 403):
        return NotReady("the scorer does not take this process's key; give both the same TIPSTREAM_API_KEY and HOME")
    if answer.status_code >= 500:
        return NotReady(detail, problem.get("field"))
    faults = [(str(one.get("field")), str(one.get("detail"))) for one in problem.get("errors") or ()]
    if not faults:
        faults = [(str(problem.get("field") or "body"), detail)]
    return Refused(faults, answer.status_code, problem.get("title"))
