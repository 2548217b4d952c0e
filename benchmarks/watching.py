"""The Events page in a browser while events are poured into the stream of a whole running Tipstream.

Frames are counted by requestAnimationFrame; a row's lag is the browser's clock when it is painted on top, less the
time at which the stream recorded it.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from playwright.async_api import Page, async_playwright

from benchmarks.figures import Figures
from benchmarks.load import quantile
from benchmarks.options import Options
from benchmarks.server import ended, free_port

RATE = 2000
PASSWORD = "benchmark-password"
LEAST_FPS, MOST_LAG_MS = 30.0, 1000.0
READY_S = 300.0
PORTS = ("PORT", "SCORER_PORT", "MLFLOW_PORT", "NATS_PORT", "QUACK_PORT")
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
WATCH = """
seconds => new Promise(done => {
  const lags = [], frames = [];
  const end = performance.now() + seconds * 1000;
  const first = () => document.querySelector('.tail-rows > [aria-rowindex="2"]');
  let last = performance.now(), count = 0, top = first().id;
  const look = now => {
    count += 1;
    if (now - last >= 1000) { frames.push(count * 1000 / (now - last)); count = 0; last = now; }
    const row = first();
    if (row && row.id !== top) {
      top = row.id;
      const midnight = new Date().setUTCHours(0, 0, 0, 0);
      const [h, m, s] = row.children[1].textContent.split(':').map(Number);
      lags.push(Date.now() - midnight - ((h * 60 + m) * 60 + s) * 1000);
    }
    now < end ? requestAnimationFrame(look) : done({ frames, lags });
  };
  requestAnimationFrame(look);
})
"""


@dataclass(frozen=True, slots=True)
class Running:
    """A Tipstream on ports of its own."""

    home: Path
    ports: dict[str, int]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['PORT']}"

    def api_cpu_s(self) -> float:
        """Processor seconds that the API's process has used."""
        pid = (self.home / "run" / "api.pid").read_text().strip()
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def run(options: Options) -> list[Figures]:
    """One table: the page while nothing comes in, and at 2,000 events a second."""
    figures = Figures(
        "watching",
        f"The Events page: frames a second and lag, {RATE:,} events/s published in atomic batches",
        (
            "what comes in",
            "events/s",
            "fps median",
            "fps least",
            "lag ms median",
            "lag ms p95",
            "lag ms max",
            "API CPU",
        ),
    )
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        figures.skip("the page", "no Chromium on this machine")
        return [figures]
    seconds = 6 * options.rate_s
    with _running() as system:
        await _ready(system)
        async with _flood(system, seconds) as flood, _page(system, chromium) as page:
            await _watch(figures, "nothing", None, system, page, min(seconds, 10.0))
            await _watch(figures, "people's events", flood, system, page, seconds)
    return [figures]


async def _watch(
    figures: Figures, name: str, flood: asyncio.subprocess.Process | None, system: Running, page: Page, seconds: float
) -> None:
    published = 0.0
    if flood is not None:
        assert flood.stdin is not None
        flood.stdin.write(b"\n")
    used, began = system.api_cpu_s(), time.monotonic()
    seen: dict[str, list[float]] = await page.evaluate(WATCH, seconds)
    cpu = (system.api_cpu_s() - used) / (time.monotonic() - began)
    if flood is not None:
        assert flood.stdout is not None
        published = float(await flood.stdout.readline())
    frames, lags = sorted(seen["frames"]), sorted(seen["lags"])
    fps, lag = quantile(frames, 0.5), quantile(lags, 0.95) if flood is not None else None
    figures.add(
        name, published, fps, frames[0] if frames else None,
        *((quantile(lags, 0.5), lag, lags[-1]) if flood is not None and lags else (None,) * 3), f"{cpu:.0%}",
    )  # fmt: skip
    if fps is not None and fps < LEAST_FPS:
        figures.notes.append(f"MISSED {name}: {fps:.0f} frames a second, wanted {LEAST_FPS:.0f}")
    if lag is not None and lag > MOST_LAG_MS:
        figures.notes.append(f"MISSED {name}: lag of {lag:.0f} ms at p95, wanted {MOST_LAG_MS:.0f}")


@contextmanager
def _running() -> Iterator[Running]:
    with tempfile.TemporaryDirectory(prefix="tipstream-bench-") as folder:
        home = Path(folder) / "home"
        system = Running(home, {name: free_port() for name in PORTS})
        environment = {
            **os.environ,
            "TIPSTREAM_HOME": str(home),
            "TIPSTREAM_ADMIN_PASSWORD": PASSWORD,
            "TIPSTREAM_MLFLOW": "off",
            **{f"TIPSTREAM_{name}": str(port) for name, port in system.ports.items()},
        }
        with (Path(folder) / "up.log").open("wb") as log:
            command = [sys.executable, "-m", "services.cli", "up"]
            with ended(subprocess.Popen(command, env=environment, stdout=log, stderr=log)):
                yield system


async def _ready(system: Running) -> None:
    deadline = time.monotonic() + READY_S
    async with httpx.AsyncClient(base_url=system.url) as client:
        while time.monotonic() < deadline:
            with suppress(httpx.HTTPError):
                if (await client.get("/api/health")).status_code == 200:
                    return
            await asyncio.sleep(0.2)
    raise RuntimeError(f"Tipstream is not up after {READY_S:g} s")


@asynccontextmanager
async def _flood(system: Running, seconds: float) -> AsyncIterator[asyncio.subprocess.Process]:
    """The process that publishes, once its events are made; a line on its standard input lets them go."""
    url = f"nats://127.0.0.1:{system.ports['NATS_PORT']}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.flood", url, str(RATE), str(seconds)),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    await process.stdout.readline()
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@asynccontextmanager
async def _page(system: Running, chromium: str) -> AsyncIterator[Page]:
    """The Events page, logged in, with rows on it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        page = await browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(60_000)
        await page.goto(f"{system.url}/login?next=/admin/events")
        await page.get_by_label("Name").fill("admin")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Log in").click()
        await page.wait_for_selector('.tail-rows > [aria-rowindex="2"]')
        try:
            yield page
        finally:
            await browser.close()
