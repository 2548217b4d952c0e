"""Publishing the past: once, whole, and only on a stream that nobody else bends meanwhile."""

from collections.abc import Callable, Sequence

import pytest

from contracts.codec import encode
from contracts.envelope import Message
from contracts.events.person import FeedbackReceived
from services.bootstrap import ensure_stream, load_signer
from services.bus.jetstream import JetStreamBus
from services.bus.memory import MemoryBus
from services.catalog.builtin import builtin_tips
from services.demo.history import History, Plan
from services.demo.past import StreamChanged, has_past, publish_past
from services.demo.present import Present
from services.demo.run import make_past, run_demo
from services.publishing import EventPublisher
from services.settings import Settings
from tests.demo.conftest import START_US
from tests.servers import NatsServer

PLAN = Plan(seed=7, people=12, start_us=START_US, days=7)

Begin = Callable[..., History]


class Crowded(MemoryBus):
    """A stream on which somebody else publishes after the first batch."""

    guest: Message | None = None

    async def publish_batch(self, messages: Sequence[Message]) -> int:
        last = await super().publish_batch(messages)
        if self.guest is not None:
            last = (await self.publish(self.guest)).seq
            self.guest = None
        return last


async def test_the_past_is_published_once(bus: JetStreamBus, settings: Settings) -> None:
    assert not await has_past(bus)
    history = await make_past(bus, settings, people=3, days=2, seed=7, start_us=START_US)
    assert history is not None
    info = await bus.info()
    assert info.last_seq == history.present.state.seq
    assert await make_past(bus, settings, people=3, days=2, seed=7, start_us=START_US) is None
    assert (await bus.info()).last_seq == info.last_seq
    again = await Present.of(bus, history.present.decoder)
    assert again.state.learning.people.keys() == history.present.state.learning.people.keys()
    for user_id, person in again.state.learning.people.items():
        assert person.version == history.present.state.learning.people[user_id].version


async def test_events_about_other_people_in_between_do_no_harm(settings: Settings, clock: Callable[[], int]) -> None:
    bus = Crowded(clock)
    history = History(PLAN, await Present.of(bus, await ensure_stream(bus, settings)), clock())
    bus.guest = encode(FeedbackReceived(user_id="guest", action="helpful"), event_id="g", source="/guest")
    published = await publish_past(bus, history)
    assert published > 1000, "the guest must come between two batches"
    fresh = await Present.of(bus, history.present.decoder)
    assert fresh.state.seq == history.present.state.seq
    assert [person.version for person in fresh.state.learning.people.values()] == [
        person.version for person in history.present.state.learning.people.values()
    ]


@pytest.mark.parametrize("kind", ["their own", "catalog"])
async def test_events_that_change_the_history_stop_it(settings: Settings, clock: Callable[[], int], kind: str) -> None:
    bus = Crowded(clock)
    history = History(PLAN, await Present.of(bus, await ensure_stream(bus, settings)), clock())
    if kind == "catalog":
        publisher = EventPublisher(bus, load_signer(settings), source="/guest")
        bus.guest = publisher.signed(builtin_tips()[0], actor="guest", event_id="g")
    else:
        bus.guest = encode(FeedbackReceived(user_id="demo-002", action="helpful"), event_id="g", source="/guest")
    with pytest.raises(StreamChanged, match="start again with an empty HOME"):
        await publish_past(bus, history)


async def test_a_history_that_is_there_in_part_is_refused(begin: Begin, memory_bus: MemoryBus) -> None:
    part = [message for message, _ in zip(begin(PLAN).messages(), range(5), strict=False)]
    await memory_bus.publish_batch(part)
    history = begin(PLAN)
    history.present = await Present.of(memory_bus, history.present.decoder)
    with pytest.raises(StreamChanged, match="a part of this very history"):
        await publish_past(memory_bus, history)


def test_a_history_that_is_there_is_told(nats_server: NatsServer, capsys: pytest.CaptureFixture[str]) -> None:
    settings = Settings(home=nats_server.home, nats_url=nats_server.url)
    for _ in range(2):
        assert "already" not in capsys.readouterr().out
        run_demo(settings, people=2, days=1, seed=7, history_only=True, start_us=START_US)
    assert "holds a history of simulated people already; none is added" in capsys.readouterr().out
