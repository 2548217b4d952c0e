"""Our faster header routines write and read what nats-py writes and reads."""

import pytest
from nats.aio.client import Client
from nats.errors import BadHeaderError

from services.bus.client import FastClient

BLOCKS = [
    b"a: b\r\n\r\n",
    b"ce-id: x\r\nce-time: 2026-01-01T00:00:00Z\r\n\r\n",
    b"a:b\r\nc:\td \r\nempty:\r\nno colon\r\n\r\n",
    "name: Zoë\r\n".encode(),
    b"",
]


class Wire:
    """Keeps what a client would have sent."""

    def __init__(self, client: Client) -> None:
        self.sent = b""
        client._send_command = self.take  # type: ignore[method-assign, assignment]

    async def take(self, command: bytes, priority: bool = False) -> None:
        self.sent += command


async def written(client: Client, headers: dict[str, str], times: int) -> bytes:
    """The bytes of the last of `times` equal messages."""
    wire = Wire(client)
    for _ in range(times):
        wire.sent = b""
        await client._send_publish("tips.a", "_INBOX.1", b"body", 4, headers)
    return wire.sent


@pytest.mark.parametrize("block", BLOCKS)
def test_headers_are_parsed_as_nats_py_parses_them(block: bytes) -> None:
    assert FastClient._parse_header_lines(block) == Client._parse_header_lines(block)


def test_of_a_header_given_twice_the_first_counts_as_for_the_server() -> None:
    assert FastClient._parse_header_lines(b"twice: 1\r\ntwice: 2\r\n") == {"twice": "1"}


def test_bytes_that_are_not_utf_8_stay_told_apart() -> None:
    assert FastClient._parse_header_lines("a: Zoë ".encode() + b"\xff\r\n") == {"a": "Zoë \\xff"}


@pytest.mark.parametrize(
    "headers",
    [{}, {"a": "b"}, {"Nats-Msg-Id": "1", "ce-type": "t"}, {"a": "two\r\nlines"}, {"a": "x\ny", "b": "Zoë"}, {"a": ""}],
)
async def test_headers_are_written_as_nats_py_writes_them(headers: dict[str, str]) -> None:
    assert await written(FastClient(), headers, 2) == await written(Client(), headers, 1)


async def test_a_bad_header_name_is_refused_every_time() -> None:
    client = FastClient()
    for _ in range(2):
        with pytest.raises(BadHeaderError):
            await written(client, {"bad name": "x"}, 1)


async def test_a_header_name_with_a_line_break_never_reaches_the_wire() -> None:
    client = FastClient()
    await written(client, {"a": "b"}, 1)
    with pytest.raises(BadHeaderError):
        await written(client, {"a: b\r\nevil": "x"}, 1)
