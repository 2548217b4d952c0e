"""Publishing, the same on both buses: places, ids that count once, batches, refusals."""

import asyncio

import pytest

from contracts.envelope import Message
from services.bus.errors import BusClosed, PublishRefused
from services.bus.stream import Ack
from tests.bus.messages import Bus, ids, message, messages, read_all


async def test_an_empty_stream_begins_at_nothing(bus: Bus) -> None:
    info = await bus.info()
    assert (info.name, info.first_seq, info.last_seq, info.messages, info.deleted) == ("TIPS", 0, 0, 0, 0)
    assert info.created.endswith("Z")


async def test_declaring_again_changes_nothing(bus: Bus) -> None:
    await bus.publish(message(1))
    info = await bus.declare()
    assert (info.last_seq, info.created) == (1, (await bus.info()).created)


async def test_an_ack_tells_the_place_in_the_stream(bus: Bus) -> None:
    assert [await bus.publish(message(n)) for n in (1, 2, 3)] == [Ack(1, False), Ack(2, False), Ack(3, False)]
    info = await bus.info()
    assert (info.first_seq, info.last_seq, info.messages) == (1, 3, 3)
    assert info.bytes > 0


async def test_an_id_that_is_known_is_acked_at_its_first_place(bus: Bus) -> None:
    await bus.publish(message(1))
    await bus.publish(message(2))
    other_body = Message("tips.scored.ben", {"Nats-Msg-Id": "e1"}, b"other")
    assert await bus.publish(other_body) == Ack(1, True)
    assert (await bus.info()).messages == 2


async def test_publishing_many_keeps_their_order_and_says_each_ones_place(bus: Bus) -> None:
    acks = await bus.publish_all(messages(1500))
    assert acks == [Ack(seq, False) for seq in range(1, 1501)]
    assert ids(await read_all(bus, 0, 1500)) == [f"e{n}" for n in range(1500)]


async def test_publishing_many_with_known_ones_among_them_adds_only_the_others(bus: Bus) -> None:
    await bus.publish_all([message(2), message(1)])
    acks = await bus.publish_all(messages(4))
    assert acks == [Ack(3, False), Ack(2, True), Ack(1, True), Ack(4, False)]


async def test_publishing_none_at_all_is_fine(bus: Bus) -> None:
    assert await bus.publish_all([]) == []
    assert await bus.publish_batch([]) == 0


async def test_concurrent_publishers_each_get_their_own_ack(bus: Bus) -> None:
    acks = await asyncio.gather(*(bus.publish(message(n)) for n in range(200)))
    records = await read_all(bus, 0, 200)
    assert {record.seq: record.headers["Nats-Msg-Id"] for record in records} == {
        ack.seq: f"e{n}" for n, ack in enumerate(acks)
    }


async def test_a_batch_of_any_size_is_stored_in_order(bus: Bus) -> None:
    assert await bus.publish_batch(messages(2500)) == 2500
    assert ids(await read_all(bus, 0, 2500)) == [f"e{n}" for n in range(2500)]


async def test_a_batch_repeated_adds_nothing(bus: Bus) -> None:
    await bus.publish_batch(messages(2500))
    assert await bus.publish_batch(messages(2500)) == 2500
    assert (await bus.info()).messages == 2500


async def test_a_batch_adds_only_what_is_new(bus: Bus) -> None:
    await bus.publish_batch(messages(10))
    assert await bus.publish_batch(messages(20, start=5)) == 25
    assert ids(await read_all(bus, 0, 25)) == [f"e{n}" for n in range(25)]


async def test_an_id_twice_in_a_batch_counts_once(bus: Bus) -> None:
    assert await bus.publish_batch([message(1), message(2), message(1)]) == 2
    assert ids(await read_all(bus, 0, 2)) == ["e1", "e2"]


async def test_a_batch_with_one_impossible_message_stores_none(bus: Bus) -> None:
    with pytest.raises(PublishRefused, match="Nats-Msg-Id"):
        await bus.publish_batch([*messages(3), Message("tips.scored.ana", {}, b"")])
    assert (await bus.info()).messages == 0


async def test_headers_and_body_arrive_as_they_were(bus: Bus) -> None:
    sent = Message("tips.signal.phone.ana", {"Nats-Msg-Id": "x", "ce-type": "a.v1", "note": "Zoë"}, bytes(range(256)))
    await bus.publish(sent)
    (record,) = await read_all(bus, 0, 1)
    assert (record.seq, record.subject, dict(record.headers), record.data) == (
        1,
        sent.subject,
        sent.headers,
        sent.data,
    )


async def test_a_message_with_an_empty_body_is_a_message(bus: Bus) -> None:
    await bus.publish(Message("tips.feedback.helpful.ana", {"Nats-Msg-Id": "x"}, b""))
    (record,) = await read_all(bus, 0, 1)
    assert record.data == b""


@pytest.mark.parametrize(
    "subject",
    ["other.a", "tips", "tips.", "tips..a", "tips.a.", "tips.a b", "tips.*", "tips.>", "tips.a*b", "tips.a\r\nPUB x"],
)
async def test_a_subject_the_stream_would_not_take_is_refused_at_once(bus: Bus, subject: str) -> None:
    with pytest.raises(PublishRefused, match="subject"):
        await bus.publish(message(1, subject))


async def test_a_subject_longer_than_the_protocol_allows_is_refused(bus: Bus) -> None:
    with pytest.raises(PublishRefused, match="3500"):
        await bus.publish(message(1, "tips.scored." + "a" * 4000))
    assert (await bus.publish(message(1, "tips.scored." + "a" * 3000))).seq == 1


async def test_a_message_without_an_id_is_refused(bus: Bus) -> None:
    with pytest.raises(PublishRefused, match="Nats-Msg-Id"):
        await bus.publish(Message("tips.scored.ana", {"ce-id": "1"}, b"{}"))


async def test_size_counts_with_headers_and_the_bus_lives_on(bus: Bus) -> None:
    limit = 1024 * 1024
    too_big = Message("tips.scored.ana", {"Nats-Msg-Id": "x", "long": "h" * 500}, b"b" * (limit - 400))
    with pytest.raises(PublishRefused, match="limit is 1048576"):
        await bus.publish(too_big)
    headers = {"Nats-Msg-Id": "y"}
    fits = Message("tips.scored.ana", headers, b"b" * (limit - 14 - len("Nats-Msg-Id: y\r\n") + 1))
    with pytest.raises(PublishRefused, match="limit is 1048576"):
        await bus.publish(fits)
    assert await bus.publish(Message("tips.scored.ana", headers, fits.data[:-2])) == Ack(1, False)


async def test_text_that_is_not_unicode_is_refused(bus: Bus) -> None:
    with pytest.raises(PublishRefused, match="Unicode"):
        await bus.publish(Message("tips.scored.ana", {"Nats-Msg-Id": "\ud800"}, b""))


async def test_a_closed_bus_says_so(bus: Bus) -> None:
    before = bus.connected
    await bus.close()
    assert (before, bus.connected) == (True, False)
    with pytest.raises(BusClosed):
        await bus.publish(message(1))
