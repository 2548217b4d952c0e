"""The line of live figures under `tipstream up`, read from the API's health like anybody else would."""

import asyncio
from typing import Any

import httpx
from rich.console import Console
from rich.live import Live
from rich.text import Text

from services.http_client import http_client
from services.keys import load_secrets
from services.settings import Settings

REFRESH_S = 1.0
QUIET_REFRESH_S = 15.0


async def show_figures(settings: Settings, console: Console, stop: asyncio.Event) -> None:
    """Until `stop`: a line that refreshes itself on a terminal, an occasional line elsewhere (only when it changes)."""
    key = load_secrets(settings).api_key
    async with http_client(
        f"http://{settings.host}:{settings.port}", headers={"Authorization": f"Bearer {key}"}, timeout=2.0
    ) as client:
        if console.is_terminal:
            with Live(console=console, refresh_per_second=4, transient=True) as live:
                while not await _ended(stop, REFRESH_S):
                    live.update(Text(await _line(client), no_wrap=True, overflow="ellipsis"))
        else:
            shown = ""
            while not await _ended(stop, REFRESH_S if not shown.startswith("ok") else QUIET_REFRESH_S):
                line = await _line(client)
                if line != shown:
                    console.print(line, highlight=False, soft_wrap=True)
                    shown = line


async def _ended(stop: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return False
    return True


async def _line(client: httpx.AsyncClient) -> str:
    try:
        health = (await client.get("/api/health")).json()
    except (httpx.HTTPError, ValueError):
        return "starting: the API does not answer yet"
    return summary(health)


def summary(health: dict[str, Any]) -> str:
    """One line for a health document: the status, what is not up, how many events there are and who lags."""
    components: dict[str, dict[str, Any]] = health.get("components", {})
    events = max((int(part.get("seq") or 0) for part in components.values()), default=0)
    troubled = [f"{name} {part['state']}" for name, part in components.items() if part.get("state") != "up"]
    lags = [f"{name} {part['lag_events']}" for name, part in components.items() if part.get("lag_events")]
    parts = [str(health.get("status", "unknown")), f"{events:,} events", "lag " + (", ".join(lags) or "0")]
    return " · ".join(parts + troubled)
