"""Policies and priors in shadow score along what the scorer decides: each decision once, whatever becomes of the
worker."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count
from time import monotonic
from typing import Any, cast

import orjson
import pytest

from contracts.envelope import Entry, Message, Recorded
from contracts.events.admin import (
    ModelShadowed,
    ModelWithdrawn,
    PolicyDisabled,
    PolicyShadowed,
    UserErased,
    UserErasureRequested,
)
from contracts.events.person import ShadowScored
from contracts.feature_sets import CURRENT
from ml.serving.deferral import Deferral
from ml.serving.shadow import ShadowWorker
from projections.erasure import made_before
from services.bootstrap import load_signer, open_decoder
from services.bus.jetstream import JetStreamBus
from services.publishing import EventPublisher
from services.settings import Settings
from tests.registry.cards import stored
from tests.serving.scorers import Running
from tests.waiting import until


@pytest.fixture
def publisher(settings: Settings, bus: JetStreamBus) -> EventPublisher:
    """Signs as the installation."""
    return EventPublisher(bus, load_signer(settings), source="/test")


@asynccontextmanager
async def shadowing(
    bus: JetStreamBus, defer_s: float = 300.0, clock: Callable[[], float] = monotonic
) -> AsyncIterator[ShadowWorker]:
    worker = ShadowWorker(bus, await open_decoder(bus), Deferral(defer_s, clock))
    running = asyncio.create_task(worker.run())
    yield worker
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def status(worker: ShadowWorker, wanted: int = 0) -> dict[str, Any]:
    answer: dict[str, Any] = orjson.loads(await worker.answer(orjson.dumps({"op": "status", "wanted": wanted})))
    return answer


def slowly() -> float:
    """A clock on which a load that falters for a moment, since all of it shares one loop, is one all the same."""
    return monotonic() / 10


async def until_deferred(worker: ShadowWorker) -> None:
    async def deferred() -> bool:
        return bool((await status(worker))["deferred"])

    await until(deferred)


@asynccontextmanager
async def busy(bus: JetStreamBus) -> AsyncIterator[None]:
    """Others publish as fast as the stream takes it, which is far more than what counts as a load."""

    async def publish() -> None:
        for number in count():
            await bus.publish(Message(f"tips.feedback.helpful.{number % 7}", {"Nats-Msg-Id": f"busy-{number}"}, b"{}"))

    publishing = asyncio.create_task(publish())
    yield
    publishing.cancel()
    with suppress(asyncio.CancelledError):
        await publishing


async def shadow(publisher: EventPublisher, policy: str) -> None:
    await publisher.publish_signed(PolicyShadowed(policy=policy, params={}, reason="try"), actor="ada")


async def shadow_model(publisher: EventPublisher, version: str) -> None:
    await publisher.publish_signed(ModelShadowed(**stored().told_of(version)), actor="ada")


async def shadows_in(bus: JetStreamBus) -> list[ShadowScored]:
    decoder, found = await open_decoder(bus), []
    async for batch in bus.read(0, upto=(await bus.info()).last_seq, subjects=["tips.shadow.>"]):
        for item in map(decoder.decode, batch):
            assert isinstance(item, Entry)
            assert isinstance(item.event, ShadowScored)
            found.append(item.event)
    return found


async def until_shadowed(bus: JetStreamBus, count: int) -> list[ShadowScored]:
    async def shadowed() -> bool:
        return len(await shadows_in(bus)) >= count

    await until(shadowed)
    return await shadows_in(bus)


async def test_what_is_decided_is_scored_along_from_when_a_policy_goes_into_shadow(
    scorer: Running, publisher: EventPublisher
) -> None:
    await scorer.score(decision_id="before")
    async with shadowing(scorer.bus):
        await shadow(publisher, "greedy")
        for number in range(5):
            await scorer.score(decision_id=f"d{number}")
            await scorer.feedback(action="helpful")
        found = await until_shadowed(scorer.bus, 5)
        assert [one.decision_id for one in found] == [f"d{number}" for number in range(5)]
        assert {one.policy for one in found} == {"greedy"}
        await publisher.publish_signed(PolicyDisabled(policy="greedy", reason="enough"), actor="ada")
        await scorer.score(decision_id="after")
        await shadow(publisher, "random")
        await scorer.score(decision_id="again")
        found = await until_shadowed(scorer.bus, 6)
    assert [(one.policy, one.decision_id) for one in found[5:]] == [("random", "again")]


async def test_a_prior_in_shadow_is_scored_along_until_it_is_withdrawn(
    scorer: Running, publisher: EventPublisher
) -> None:
    await scorer.score(decision_id="before")
    async with shadowing(scorer.bus):
        await shadow_model(publisher, "prior/1")
        for number in range(3):
            await scorer.score(decision_id=f"d{number}")
        found = await until_shadowed(scorer.bus, 3)
        assert [(one.decision_id, one.model_version) for one in found] == [(f"d{n}", "prior/1") for n in range(3)]
        assert {one.policy for one in found} == {"linucb"}
        await publisher.publish_signed(ModelWithdrawn(model_version="prior/1", feature_set=CURRENT), actor="ada")
        await scorer.score(decision_id="between")
        await shadow_model(publisher, "prior/2")
        await scorer.score(decision_id="again")
        found = await until_shadowed(scorer.bus, 4)
    assert [(one.decision_id, one.model_version) for one in found[3:]] == [("again", "prior/2")]


async def test_each_is_scored_along_once_whenever_the_worker_is_away(
    scorer: Running, publisher: EventPublisher
) -> None:
    for policy in ("greedy", "random"):
        await shadow(publisher, policy)
    await shadow_model(publisher, "prior/1")
    for start in range(0, 60, 20):
        for number in range(start, start + 20):
            await scorer.score(decision_id=f"d{number}")
        # Ended somewhere on the way; what it had sent by then is in the log.
        async with shadowing(scorer.bus):
            await until_shadowed(scorer.bus, 3 * start + 7)
    async with shadowing(scorer.bus):
        found = await until_shadowed(scorer.bus, 180)
    counts = Counter((one.policy, one.model_version, one.decision_id) for one in found)
    assert len(counts) == 180
    assert set(counts.values()) == {1}


async def test_it_says_how_far_it_is(scorer: Running, publisher: EventPublisher) -> None:
    async with shadowing(scorer.bus) as worker:
        assert (await status(worker))["seq"] is None
        await shadow(publisher, "greedy")
        await scorer.score(decision_id="d")
        await until_shadowed(scorer.bus, 1)
        last = (await scorer.bus.info()).last_seq

        async def there() -> bool:
            return bool((await status(worker))["seq"] == last)

        await until(there)
        said = await status(worker)
    assert said == {
        "seq": last, "lag_events": 0, "deferred": False, "scored": 1, "failures": {}, "last_error": None
    }  # fmt: skip


async def test_shadows_come_later_while_the_stream_is_busy(scorer: Running, publisher: EventPublisher) -> None:
    async with shadowing(scorer.bus, clock=slowly) as worker:
        await shadow(publisher, "greedy")
        await scorer.score(decision_id="before")
        await until_shadowed(scorer.bus, 1)
        async with busy(scorer.bus):
            await until_deferred(worker)
            seq = (await status(worker))["seq"]
            for number in range(20):
                await scorer.score(decision_id=f"d{number}")
            said = await status(worker)
            assert (said["seq"], said["deferred"], said["scored"]) == (seq, True, 1)
            assert said["lag_events"] > 20
        found = await until_shadowed(scorer.bus, 21)
    assert Counter(one.decision_id for one in found) == Counter(["before", *(f"d{number}" for number in range(20))])


async def test_what_was_missed_comes_later_too(scorer: Running, publisher: EventPublisher) -> None:
    await shadow(publisher, "greedy")
    for number in range(5):
        await scorer.score(decision_id=f"d{number}")
    async with busy(scorer.bus), shadowing(scorer.bus, clock=slowly) as worker:
        await until_deferred(worker)
        said = await status(worker)
        assert (said["seq"], said["scored"]) == (0, 0)
    async with shadowing(scorer.bus):
        assert len(await until_shadowed(scorer.bus, 5)) == 5


class Frozen:
    """A bus whose reader stands still with what it has read, as a process that is stopped."""

    def __init__(self, bus: JetStreamBus) -> None:
        self._bus = bus
        self.holds, self.thawed = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._bus, name)

    async def read(
        self, after: int, *, upto: int | None = None, subjects: Sequence[str] = ()
    ) -> AsyncIterator[list[Recorded]]:
        async for batch in self._bus.read(after, upto=upto, subjects=subjects):
            if any(recorded.subject == "tips.scored.ann" for recorded in batch):
                self.holds.set()
                await self.thawed.wait()
            yield batch


@pytest.mark.parametrize("done", [False, True])
async def test_whoever_was_erased_while_it_stood_still_does_not_come_back(
    scorer: Running, publisher: EventPublisher, done: bool
) -> None:
    await shadow(publisher, "greedy")
    bus = Frozen(scorer.bus)
    async with shadowing(cast(JetStreamBus, bus)) as worker:
        await scorer.score("ann", decision_id="anns")
        seq = (await scorer.bus.info()).last_seq
        await scorer.score("bob", decision_id="bobs")
        await bus.holds.wait()
        request = UserErasureRequested(user_id="ann", reason="asked")
        _, ack = await publisher.publish_signed(request, actor="ada")
        if done:
            await publisher.publish_signed(UserErased(erasure_id="x", ranges=[[seq, seq]]), actor="ada")
            await scorer.bus.delete(seq)
            await scorer.bus.delete(ack.seq)
        last = (await scorer.bus.info()).last_seq
        bus.thawed.set()

        async def there() -> bool:
            return bool((await status(worker))["seq"] >= last)

        await until(there)
        assert [one.decision_id for one in await until_shadowed(scorer.bus, 1)] == ["bobs"]


async def test_who_waits_for_an_event_need_not_wait_for_a_quiet_stream(
    scorer: Running, publisher: EventPublisher
) -> None:
    async with shadowing(scorer.bus) as worker:
        await shadow(publisher, "greedy")
        async with busy(scorer.bus):
            await until_deferred(worker)
            await scorer.score(decision_id="d")
            last = (await scorer.bus.info()).last_seq

            async def passed() -> bool:
                return bool((await status(worker, wanted=last))["seq"] >= last)

            await until(passed)
            assert [one.decision_id for one in await shadows_in(scorer.bus)] == ["d"]


async def test_a_load_that_lasts_is_scored_along_meanwhile(scorer: Running, publisher: EventPublisher) -> None:
    async with shadowing(scorer.bus, defer_s=1.0), busy(scorer.bus):
        await shadow(publisher, "greedy")
        for number in range(20):
            await scorer.score(decision_id=f"d{number}")
        await until_shadowed(scorer.bus, 20)


async def test_shadows_of_what_was_decided_before_an_erasure_go_with_it(
    scorer: Running, publisher: EventPublisher
) -> None:
    await shadow(publisher, "greedy")
    await scorer.score("ann", decision_id="old")
    await scorer.score("bob", decision_id="bobs")
    _, ack = await publisher.publish_signed(UserErasureRequested(user_id="ann", reason="asked"), actor="ada")
    await scorer.stats("ann", min_seq=ack.seq)
    await scorer.score("ann", decision_id="new")
    for decision_id, user_id in (("old", "ann"), ("new", "ann"), ("bobs", "bob")):
        event = ShadowScored(
            decision_id=decision_id, user_id=user_id, policy="greedy", state_version=0, tip_id="t", score=0.0,
            propensity=1.0, agreed=True, chosen_propensity=1.0, occurred_at=1_700_000_000_000_000,
        )  # fmt: skip
        await publisher.publish(event, event_id=f"late-{decision_id}")
    last = (await scorer.bus.info()).last_seq
    found = [seq async for seq in made_before(scorer.bus, "ann", ack.seq, upto=last)]
    assert found == [last - 2]
