"""Every read model and snapshot deleted: what is folded again from the log is the same, digest by digest."""

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from projections.replay import EVERY_PROJECTION, Word, word_of
from services.bus.jetstream import JetStreamBus
from tests.system.running import RunningSystem


@pytest.fixture
def system(tmp_path: Path) -> Iterator[RunningSystem]:
    """A small demo's past, without anybody who lives on."""
    running = RunningSystem(tmp_path / "home")
    running.start()
    running.run("demo", "--people", "8", "--days", "4", "--history-only")
    yield running
    running.close()


def words(system: RunningSystem) -> dict[str, Word]:
    """What each projection says of itself."""

    async def ask() -> dict[str, Word]:
        bus = await JetStreamBus.connect(system.nats_url, name="test")
        try:
            return {projection: await word_of(bus, projection) for projection in EVERY_PROJECTION}
        finally:
            await bus.close()

    return asyncio.run(ask())


@pytest.mark.timeout(240)
def test_what_is_deleted_comes_back_the_same(system: RunningSystem) -> None:
    last = system.wait_folded()
    before, report = words(system), system.verify()
    assert report["proven"], json.dumps(report, indent=1)
    assert report["scores"]["identical"] > 20
    assert {word.seq for word in before.values()} == {last}
    assert all(word.tables for word in before.values())

    system.stop()
    shutil.rmtree(system.home / "read_models")
    system.start()
    assert system.wait_folded() == last, "nothing new was published"
    assert words(system) == before
    report = system.verify()
    assert report["proven"], json.dumps(report, indent=1)

    replayed = system.run("replay")
    assert replayed.count("digests equal") == len(EVERY_PROJECTION)
    assert replayed.splitlines()[-1].startswith("done: ")
    switched = words(system)
    assert {word.version for word in switched.values()} == {2}
    assert system.verify()["proven"]
    assert system.run("replay", "--back").count("back from version 2") == len(EVERY_PROJECTION)
