"""People's events poured into a stream: `python -m benchmarks.flood <url> <events a second> <seconds>`.

Signals, decisions and reactions of the demo's people, made beforehand, in eight atomic batches a second.
"""

import asyncio
import sys

from benchmarks.events import demo_log
from services.bus.jetstream import JetStreamBus

BATCHES_A_SECOND = 8


async def flood(url: str, rate: int, seconds: float) -> None:
    """Say when the events are ready, wait for a line on standard input, then publish at the rate."""
    size, batches = rate // BATCHES_A_SECOND, int(seconds * BATCHES_A_SECOND)
    log = await demo_log(size * batches)
    events = log.messages[-size * batches :]
    bus = await JetStreamBus.connect(url, name="benchmark flood")
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number in range(batches):
        if (wait := start + number / BATCHES_A_SECOND - loop.time()) > 0:
            await asyncio.sleep(wait)
        await bus.publish_batch(events[number * size : (number + 1) * size])
    print(size * batches / (loop.time() - start), flush=True)
    await bus.close()


if __name__ == "__main__":
    asyncio.run(flood(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
