"""Quack messages as bytes, for clients that are not DuckDB."""

import http.client
import re


def header(session: str, *, kind: int) -> bytes:
    """A message's kind and session."""
    return bytes([1, 0, kind]) + b"\x02\x00\x20" + session.encode() + b"\x03\x00\x04\xff\xff"


def prepare(session: str, sql: str) -> bytes:
    """Run `sql`, of at most 127 bytes."""
    return header(session, kind=3) + b"\x01\x00" + bytes([len(sql)]) + sql.encode() + b"\xff\xff"


def fetch(session: str, uuid: bytes) -> bytes:
    """The next part of the answer that a PREPARE began."""
    return header(session, kind=7) + b"\x01\x00" + uuid + b"\xff\xff"


def append(session: str) -> bytes:
    """One row (1, 'loot') for main.feedback, as a client's appender sends it without any SQL."""
    table = b"\x01\x00\x04main\x02\x00\x08feedback"
    types = b"\x03\x00\x01,\x01d\x00\x01e\x00\x02d\x00\x0e\xff\xffd\x00\x19\xff\xff"
    first = b"f\x00\x02d\x00\x00f\x00\x08" + (1).to_bytes(8, "little") + b"\xff\xff"
    second = b"d\x00\x00f\x00\x01\x04loot\xff\xff"
    return header(session, kind=9) + table + types + first + second + b"\xff\xff" * 3


def connect(port: int, token: str) -> str:
    """A new session's id."""
    secret = bytes([len(token)]) + token.encode()
    versions = b"\x02\x00\x06v1.5.5\x03\x00\x0blinux_amd64\x04\x00\x01\x05\x00\x01\xff\xff"
    answer = send(port, b"\x01\x00\x01\x03\x00\x04\xff\xff\x01\x00" + secret + versions)
    found = re.search(rb"[0-9A-F]{32}", answer)
    assert found, answer
    return found[0].decode()


def send(port: int, message: bytes) -> bytes:
    """What the server answers."""
    connection = http.client.HTTPConnection("localhost", port, timeout=10)
    try:
        connection.request("POST", "/quack", message)
        return connection.getresponse().read()
    finally:
        connection.close()
