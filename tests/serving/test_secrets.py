"""What the scorer says to anybody holds none of its secrets."""

import pytest

from services.bus.errors import BusUnavailable
from services.bus.jetstream import JetStreamBus
from tests.api.callers import API_KEY, PASSWORD
from tests.serving.scorers import Running


async def test_health_is_open_and_holds_no_secret(scorer: Running) -> None:
    await scorer.score("someone-private")
    said = (await scorer.stranger.get("/health")).text
    for secret in (API_KEY, PASSWORD, "someone-private", "Bearer", str(scorer.scorer.settings.home)):
        assert secret not in said


async def test_an_error_that_health_may_show_names_the_server_without_its_password() -> None:
    with pytest.raises(BusUnavailable, match=r"nats://127\.0\.0\.1:1 ") as raised:
        await JetStreamBus.connect("nats://tips:hunter2@127.0.0.1:1", name="test", timeout=0.2)
    assert "hunter2" not in str(raised.value)
