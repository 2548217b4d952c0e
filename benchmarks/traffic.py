"""Life on the stream while the scorer is measured: `python -m benchmarks.traffic <url> <events a second> <people>`.

Bare feedback without a decision id, as the smallest producer sends it: each joins the person's latest decision, moves
their sums and makes the scorer factorise anew.
"""

import asyncio
import sys
from itertools import count

import orjson

from contracts.envelope import Message
from contracts.headers import MSG_ID
from services.bus.jetstream import JetStreamBus
from services.publishing import new_id

ACTIONS = ("helpful", "done", "not_helpful", "snoozed", "dismissed")


async def live(url: str, rate: float, people: int) -> None:
    """Publish until ended."""
    bus = await JetStreamBus.connect(url, name="benchmark traffic")
    print("publishing", flush=True)
    loop = asyncio.get_running_loop()
    start, waiting = loop.time(), set[asyncio.Task[object]]()
    for number in count():
        if (wait := start + number / rate - loop.time()) > 0:
            await asyncio.sleep(wait)
        user, action = f"user-{number % people:03d}", ACTIONS[number % len(ACTIONS)]
        message = Message(f"tips.feedback.{action}.{user}", {MSG_ID: new_id()}, orjson.dumps({}))
        task: asyncio.Task[object] = asyncio.create_task(bus.publish(message))
        waiting.add(task)
        task.add_done_callback(waiting.discard)


if __name__ == "__main__":
    asyncio.run(live(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
