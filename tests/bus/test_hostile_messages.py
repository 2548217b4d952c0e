"""What a producer can store and nats-py cannot read: it is read all the same, and so is what comes behind it."""

import asyncio

import pytest

from contracts import reasons
from contracts.codec import Decoder
from contracts.envelope import Malformed
from contracts.signing import Trust
from services.bus.jetstream import JetStreamBus
from tests.servers import NatsServer

STORED = b'{"stream":'


async def publish_raw(server: NatsServer, *commands: bytes) -> None:
    """Have each command's message stored, as a client with a socket of its own would."""
    host, _, port = server.url.rpartition("//")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b'CONNECT {"verbose":false,"headers":true}\r\nSUB acks 1\r\n')
    for command in commands:
        writer.write(command)
        while STORED not in await reader.readline():
            pass
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    ("subject", "shown"),
    [(b"\xff", r"\xff"), (b"a\x0bb", "a\x0bb"), (b"a\x0cb", "a\x0cb"), (b"\xed\xa0\x80", r"\xed\xa0\x80")],
)
async def test_a_subject_that_is_no_text_is_a_dead_letter(
    jetstream: JetStreamBus, nats_server: NatsServer, subject: bytes, shown: str
) -> None:
    line = b"PUB tips.feedback.helpful." + subject
    await publish_raw(nats_server, line + b" acks 2\r\n{}\r\n", b"PUB tips.feedback.helpful.ann acks 2\r\n{}\r\n")
    end = (await jetstream.info()).last_seq
    read = [recorded async for batch in jetstream.read(end - 2, upto=end) for recorded in batch]
    assert [recorded.subject for recorded in read] == [f"tips.feedback.helpful.{name}" for name in (shown, "ann")]
    refused = Decoder("", Trust({})).decode(read[0])
    assert isinstance(refused, Malformed)
    assert (refused.reason, read[0].data) == (reasons.BAD_SUBJECT, b"{}")
    again = await jetstream.get(end - 1)
    assert again is not None
    assert (again.seq, again.data, again.recorded_ns) == (read[0].seq, b"{}", read[0].recorded_ns)


@pytest.mark.parametrize(
    "block", [b"junk\r\n\r\n", b"\r\n", b"NATS/1.0\r\n", b"NATS/1.0 \xff\xff\xff\r\n\r\n", b"NATS/1.0 100 \xff\r\n\r\n"]
)
async def test_headers_that_are_none_are_left_out(
    jetstream: JetStreamBus, nats_server: NatsServer, block: bytes
) -> None:
    size = len(block)
    command = b"HPUB tips.feedback.helpful.ann acks %d %d\r\n%s{}\r\n" % (size, size + 2, block)
    await publish_raw(nats_server, command, b"PUB tips.feedback.helpful.ann acks 2\r\n{}\r\n")
    end = (await jetstream.info()).last_seq
    read = [recorded async for batch in jetstream.read(end - 2, upto=end) for recorded in batch]
    assert [(recorded.seq, recorded.data) for recorded in read] == [(end - 1, b"{}"), (end, b"{}")]
    again = await jetstream.get(end - 1)
    assert again is not None
    assert again.data == b"{}"


@pytest.mark.parametrize("said", [(b"\xff", b"\xfe"), (b"%FF", b"%FE")])
async def test_two_events_whose_ids_are_no_text_are_two(
    jetstream: JetStreamBus, nats_server: NatsServer, said: tuple[bytes, bytes]
) -> None:
    blocks = [b"NATS/1.0\r\nce-id: " + name + b"\r\nce-id: again\r\n\r\n" for name in said]
    commands = [
        b"HPUB tips.feedback.helpful.ann acks %d %d\r\n%s{}\r\n" % (len(block), len(block) + 2, block)
        for block in blocks
    ]
    await publish_raw(nats_server, *commands)
    end = (await jetstream.info()).last_seq
    read = [recorded async for batch in jetstream.read(end - 2, upto=end) for recorded in batch]
    found = [Decoder("", Trust({})).decode(recorded) for recorded in read]
    assert len({entry.event_id for entry in found if not isinstance(entry, Malformed)}) == 2
