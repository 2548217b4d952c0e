"""A server that knows users: who may not come in, or not ask for something, is told so at once."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.bus.embedded import server_command, write_config
from services.bus.errors import BusUnavailable, ServerRefused
from services.bus.jetstream import JetStreamBus
from tests.servers import free_port

USERS = """
authorization: {users: [
  {user: all, password: secret}
  {user: few, password: secret, permissions: {publish: {deny: "$JS.API.DIRECT.GET.>"}}}
]}
"""


@pytest.fixture
def address(home: Path) -> Iterator[str]:
    """Where such a server is, with a place for the user."""
    port = free_port()
    config = write_config(home, port=port, fsync="interval")
    config.write_text(config.read_text() + USERS)
    with subprocess.Popen(server_command(config), stderr=subprocess.DEVNULL) as server:
        yield f"nats://%s:secret@127.0.0.1:{port}"
        server.kill()


async def test_what_a_user_may_not_ask_is_named(address: str) -> None:
    owner = await JetStreamBus.connect(address % "all", name="owner", timeout=10)
    await owner.declare()
    bus = await JetStreamBus.connect(address % "few", name="few", timeout=10)
    with pytest.raises(
        ServerRefused, match=r"not permit this user to publish to \$JS\.API\.DIRECT\.GET\.TIPS; allow it"
    ):
        await bus.get(1)
    assert (await bus.info()).name == "TIPS"
    await bus.close()
    await owner.close()


async def test_an_unknown_user_is_not_told_that_no_server_is_there(address: str) -> None:
    with pytest.raises(BusUnavailable, match="does not take this user, password or token") as caught:
        await JetStreamBus.connect(address % "nobody", name="nobody", timeout=2)
    assert "secret" not in str(caught.value)
