"""What an owner does for an erasure: it lets go of what its process keeps, and leaves one version only."""

import asyncio
from pathlib import Path

from projections.owner import Owner
from projections.sinks.versions import Versions
from tests.folds.log import Log
from tests.projections.listed import stream_of
from tests.projections.test_owner import ask, log_of, owning, rebuilt


async def test_a_switch_that_leaves_nothing_else_deletes_every_other_file(tmp_path: Path) -> None:
    stream = stream_of(log_of(10))
    versions = Versions(tmp_path)
    async with owning(tmp_path, stream) as owner:
        await rebuilt(tmp_path, stream, "sqlite", 2, 21)
        await ask(owner, "switch", version=2)
        await rebuilt(tmp_path, stream, "sqlite", 3, 21)
        await rebuilt(tmp_path, stream, "sqlite", 4, 10)
        for name in ("sqlite-v2.sqlite.damaged", ".sqlite-v3.state.draft"):
            (versions.folder / name).write_bytes(b"left")
        status = await ask(owner, "switch", version=3, alone=True)
        assert (status["version"], status["previous"]) == (3, None)
        assert (versions.numbers("sqlite"), versions.pointer("sqlite").previous) == ([3], None)
        left = {path.name.removesuffix("-wal").removesuffix("-shm") for path in versions.folder.iterdir()}
        assert left == {"pointers.sqlite", "sqlite-v3.sqlite", "sqlite-v3.state"}


async def test_it_lets_go_of_a_person_once_their_erasure_is_folded(tmp_path: Path) -> None:
    gone: list[tuple[str, int]] = []
    stream = stream_of(log_of(2))

    async def let_go(user_id: str) -> None:
        gone.append((user_id, owner.live.projector.seq))

    owner = Owner(stream, Versions(tmp_path), "scorer", let_go=let_go)
    await owner.start()
    running = asyncio.create_task(owner.run())
    asked = asyncio.create_task(ask(owner, "forget", user_id="ann", seq=6))
    await owner.live.projector.wait_for(5)
    assert gone == []
    log = Log()
    log.erase("ann")
    stream.add(log.records)
    await asked
    assert gone == [("ann", 6)]
    owner.stop()
    await running
