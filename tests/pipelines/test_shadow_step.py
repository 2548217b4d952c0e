"""A version that has been registered goes into shadow once, by an event of the log that it was trained on."""

import time
from pathlib import Path

import numpy as np
import pytest

from contracts.codec import Decoder
from contracts.envelope import Entry
from contracts.events.admin import ModelPromoted, ModelShadowed, ModelWithdrawn
from contracts.events.base import SignedEvent
from contracts.feature_sets import CURRENT, DIMENSIONS
from ml.pipelines import steps
from ml.pipelines.prior import Fit
from services.bootstrap import ForeignSigningKey, ensure_stream, trusted_signer
from services.bus.memory import MemoryBus
from services.bus.stream import DUPLICATE_WINDOW_S
from services.publishing import EventPublisher
from services.settings import Settings
from tests.waiting import ManualClock


def fitted(strength: float = 2.0) -> Fit:
    d = DIMENSIONS[CURRENT]
    return Fit(CURRENT, strength * np.eye(d), np.ones(d) / 3, 1.0, 9, {})


def home(folder: Path) -> Settings:
    settings = Settings(home=folder, api_key="key", admin_password="password")
    settings.make_home()
    return settings


class Trained:
    """A log and what training needs of it."""

    def __init__(self, bus: MemoryBus, decoder: Decoder, settings: Settings) -> None:
        self.bus, self.decoder = bus, decoder
        self.publisher = EventPublisher(bus, trusted_signer(settings, decoder), source="/test")

    async def shadow(self, version: str, fit: Fit) -> bool:
        return await steps.shadow(self.bus, self.decoder, self.publisher, version, fit)

    async def models(self) -> list[SignedEvent]:
        """What the log says of models, in order."""
        found: list[SignedEvent] = []
        last = (await self.bus.info()).last_seq
        async for batch in self.bus.read(0, upto=last, subjects=["tips.admin.model.>"]):
            for item in map(self.decoder.decode, batch):
                assert isinstance(item, Entry)
                assert isinstance(item.event, SignedEvent)
                found.append(item.event)
        return found


@pytest.fixture
def clock() -> ManualClock:
    """What is signed may not be far ahead of the stream."""
    return ManualClock(time.time_ns())


@pytest.fixture
async def trained(memory_bus: MemoryBus, tmp_path: Path) -> Trained:
    """A log that has begun."""
    settings = home(tmp_path / "home")
    return Trained(memory_bus, await ensure_stream(memory_bus, settings), settings)


async def test_it_goes_into_shadow_once_and_what_an_admin_did_since_stays(trained: Trained, clock: ManualClock) -> None:
    for _ in range(2):
        assert await trained.shadow("prior/1", fitted())
    (event,) = await trained.models()
    assert isinstance(event, ModelShadowed)
    assert (event.model_version, event.b0) == ("prior/1", fitted().b0.tolist())
    withdrawn = ModelWithdrawn(model_version="prior/1", feature_set=CURRENT)
    await trained.publisher.publish_signed(withdrawn, actor="ada")
    # Later than the stream itself would know its id again.
    clock.advance(DUPLICATE_WINDOW_S + 1)
    assert not await trained.shadow("prior/1", fitted())
    assert await trained.models() == [event, withdrawn]


@pytest.mark.parametrize("shadowed", [True, False])
async def test_what_was_promoted_while_training_was_away_is_in_shadow_no_more(trained: Trained, shadowed: bool) -> None:
    if shadowed:
        await trained.shadow("prior/1", fitted())
    await trained.publisher.publish_signed(ModelPromoted(**fitted().stored().told_of("prior/1")), actor="ada")
    before = await trained.models()
    assert not await trained.shadow("prior/1", fitted())
    assert await trained.models() == before


async def test_an_id_that_an_emptied_registry_gives_again_is_another_version(trained: Trained) -> None:
    for strength in (2.0, 3.0, 2.0):
        await trained.shadow("prior/1", fitted(strength))
    first, second = await trained.models()
    assert isinstance(first, ModelShadowed)
    assert isinstance(second, ModelShadowed)
    assert (first.a0[0][0], second.a0[0][0]) == (2.0, 3.0)


async def test_an_id_that_the_log_knows_by_another_prior_is_taken(trained: Trained) -> None:
    await trained.shadow("prior/1", fitted())
    await trained.shadow("prior/2", fitted(3.0))
    await trained.publisher.publish_signed(ModelPromoted(**fitted(3.0).stored().told_of("prior/3")), actor="ada")
    assert await steps.taken_ids(trained.bus, trained.decoder, fitted()) == {"prior/2", "prior/3"}
    assert await steps.taken_ids(trained.bus, trained.decoder, fitted(3.0)) == {"prior/1"}


async def test_the_log_to_train_on_ends_before_what_training_put_into_shadow(trained: Trained) -> None:
    last = (await trained.bus.info()).last_seq
    for version in ("prior/1", "other/1"):
        await trained.shadow(version, fitted())
    assert (await trained.bus.info()).last_seq == last + 2
    assert await steps.end_of(trained.bus, last + 2) == await steps.end_of(trained.bus, last) == last
    withdrawn = ModelWithdrawn(model_version="other/1", feature_set=CURRENT)
    await trained.publisher.publish_signed(withdrawn, actor="ada")
    assert await steps.end_of(trained.bus, last + 3) == last + 3


async def test_another_installation_s_key_signs_nothing(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(ForeignSigningKey, match="the stream trusts key"):
        trusted_signer(home(tmp_path / "other"), trained.decoder)
