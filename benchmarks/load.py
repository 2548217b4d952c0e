"""Load for an HTTP server from a process of its own: `python -m benchmarks.load`, a Demand as JSON in, a Outcome out.

At a fixed arrival rate a call is due at its time whether or not earlier ones were answered, and its latency counts from
then; a server that stalls is not asked more gently (no coordinated omission).

On a virtual machine the longest calls are those that fell into a moment in which the host ran somebody else. A call
during which Linux counted such stolen time is disturbed; the quantiles are told of all calls, and of the others.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import orjson

MOST_CONNECTIONS = 200


@dataclass(frozen=True, slots=True)
class Demand:
    """Bodies to post in turn for `seconds`: at `rate` calls a second, or with `connections` always waiting (rate 0)."""

    port: int
    path: str
    bodies: list[str]
    seconds: float
    rate: float = 0.0
    connections: int = 8
    key: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Answers a second, latencies in milliseconds (`calm_`: of the calls that were not disturbed), how many calls were
    disturbed, and how many answers were no 200."""

    calls: int
    per_s: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    calm_p50_ms: float
    calm_p99_ms: float
    disturbed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Latency:
    """How long a call took, and whether the host took a processor away meanwhile."""

    seconds: float
    disturbed: bool


class Call(asyncio.Protocol):
    """One keep-alive connection with at most one call in flight."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        lowered = self._buffer[:head].lower()
        at = lowered.find(b"content-length:")
        length = int(lowered[at + 15 :].split(b"\r\n", 1)[0])
        if len(self._buffer) >= head + 4 + length and self._answer is not None:
            status = int(self._buffer[9:12])
            self._buffer = b""
            self._answer.set_result(status)

    def connection_lost(self, problem: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(0)

    async def post(self, request: bytes) -> int:
        """The answer's status, 0 when the connection broke."""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._answer


async def _open(port: int) -> Call:
    _, call = await asyncio.get_running_loop().create_connection(Call, "127.0.0.1", port)
    return call


def _requests(demand: Demand) -> list[bytes]:
    key = f"Authorization: Bearer {demand.key}\r\n" if demand.key else ""
    return [
        (
            f"POST {demand.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{key}"
            f"Content-Length: {len(body.encode())}\r\n\r\n{body}"
        ).encode()
        for body in demand.bodies
    ]


def _stolen() -> Callable[[], bytes]:
    """Tells the ticks that a hypervisor has taken so far (proc(5), `cpu`, 8th figure); always the same elsewhere."""
    try:
        stat = os.open("/proc/stat", os.O_RDONLY)
    except FileNotFoundError:
        return lambda: b""
    return lambda: os.pread(stat, 256, 0).split(maxsplit=9)[8]


async def _at_rate(demand: Demand) -> tuple[list[Latency], int]:
    """Latencies, and how many calls failed."""
    requests, idle, failed = _requests(demand), [await _open(demand.port) for _ in range(10)], 0
    latencies: list[Latency] = []
    stolen = _stolen()
    tasks: set[asyncio.Task[None]] = set()
    start = time.perf_counter() + 0.05

    async def one(number: int, due: float) -> None:
        nonlocal failed
        before = stolen()
        # The server closes what was idle for some seconds; nothing would ever answer there.
        while idle and idle[-1].transport.is_closing():
            idle.pop()
        call = idle.pop() if idle else await _open(demand.port)
        status = await call.post(requests[number % len(requests)])
        latencies.append(Latency(time.perf_counter() - due, stolen() != before))
        failed += status != 200
        if len(idle) < MOST_CONNECTIONS and status != 0:
            idle.append(call)

    for number in range(int(demand.rate * demand.seconds)):
        due = start + number / demand.rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(one(number, due))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    if tasks:
        await asyncio.wait(tasks)
    return latencies, failed


async def _saturated(demand: Demand) -> tuple[list[Latency], int]:
    """As fast as the server answers; under such a load every call is disturbed by others, so none is told apart."""
    requests, failed = _requests(demand), 0
    latencies: list[Latency] = []
    end = time.perf_counter() + demand.seconds

    async def caller(place: int) -> None:
        nonlocal failed
        call, number = await _open(demand.port), place
        while (began := time.perf_counter()) < end:
            failed += await call.post(requests[number % len(requests)]) != 200
            latencies.append(Latency(time.perf_counter() - began, False))
            number += demand.connections

    await asyncio.gather(*(caller(place) for place in range(demand.connections)))
    return latencies, failed


async def _meet(demand: Demand) -> Outcome:
    began = time.perf_counter()
    latencies, failed = await (_at_rate(demand) if demand.rate else _saturated(demand))
    elapsed = time.perf_counter() - began
    ordered = sorted(latency.seconds for latency in latencies)
    calm = sorted(latency.seconds for latency in latencies if not latency.disturbed) or ordered
    return Outcome(
        calls=len(ordered),
        per_s=len(ordered) / elapsed,
        p50_ms=1000 * quantile(ordered, 0.5),
        p99_ms=1000 * quantile(ordered, 0.99),
        max_ms=1000 * ordered[-1],
        calm_p50_ms=1000 * quantile(calm, 0.5),
        calm_p99_ms=1000 * quantile(calm, 0.99),
        disturbed=sum(latency.disturbed for latency in latencies),
        failed=failed,
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def put_load(demand: Demand) -> Outcome:
    """Have another process meet the demand. Raises RuntimeError when it fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.load", stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    said, _ = await process.communicate(orjson.dumps(asdict(demand)))
    if process.returncode != 0:
        raise RuntimeError(f"the load generator ended with status {process.returncode}")
    return Outcome(**orjson.loads(said))


def main() -> None:
    """Read a Demand from stdin, write an Outcome to stdout."""
    demand = Demand(**orjson.loads(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(orjson.dumps(asdict(asyncio.run(_meet(demand)))))


if __name__ == "__main__":
    main()
