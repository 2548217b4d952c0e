"""People's events poured into a stream: `python -m benchmarks.flood <url> <events a second> <seconds>`.

Signals, decisions and reactions of the demo's people, in eight atomic batches a second. A stock of them is made
beforehand and goes round under ever new ids, so that making them takes no processor from what is measured.
"""

import asyncio
import sys
from itertools import cycle, islice

from benchmarks.events import demo_log
from contracts.envelope import Message
from contracts.headers import CE_ID, MSG_ID
from services.bus.jetstream import JetStreamBus
from services.publishing import new_id

BATCHES_A_SECOND = 8
STOCK = 8000


async def flood(url: str, rate: int, seconds: float) -> None:
    """Say when the events are ready, wait for a line on standard input, then publish at the rate."""
    size, batches = rate // BATCHES_A_SECOND, int(seconds * BATCHES_A_SECOND)
    stock = cycle((await demo_log(STOCK)).messages[-STOCK:])
    bus = await JetStreamBus.connect(url, name="benchmark flood")
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number in range(batches):
        if (wait := start + number / BATCHES_A_SECOND - loop.time()) > 0:
            await asyncio.sleep(wait)
        await bus.publish_batch([_anew(message) for message in islice(stock, size)])
    print(size * batches / (loop.time() - start), flush=True)
    await bus.close()


def _anew(message: Message) -> Message:
    event_id = new_id()
    return Message(message.subject, {**message.headers, MSG_ID: event_id, CE_ID: event_id}, message.data)


if __name__ == "__main__":
    asyncio.run(flood(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
