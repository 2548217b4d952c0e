"""A log is whole when it begins with StreamStarted and each of its gaps has an erasure's receipt."""

import pytest

from contracts.events.admin import UserErased
from projections.continuity import Range, continuity, uncovered
from tests.projections.small import SmallSystem


async def erase(small: SmallSystem, *seqs: int) -> None:
    for seq in seqs:
        await small.bus.delete(seq)


async def test_a_log_without_gaps_is_whole(small: SmallSystem) -> None:
    found = await continuity(small.bus)
    assert (found.full, found.missing, found.complaint()) == (True, 0, "")
    assert found.last_seq == await small.last()


async def test_a_gap_without_a_receipt_is_named(small: SmallSystem) -> None:
    await erase(small, 50, 51, 60)
    found = await continuity(small.bus)
    assert not found.full
    assert (found.missing, found.unexplained) == (3, ((50, 51), (60, 60)))
    assert found.complaint() == "events are missing without an erasure's receipt: 50-51, 60-60"
    assert (await continuity(small.bus, 49)).full, "what lies after the bound does not matter"


async def test_a_receipt_explains_what_it_covers_and_no_more(small: SmallSystem) -> None:
    await erase(small, 50, 51, 60)
    await small.sign(UserErased(erasure_id="one", ranges=[[50, 51]]))
    found = await continuity(small.bus, 100)
    assert (found.explained, found.unexplained) == (((50, 51),), ((60, 60),))
    await small.sign(UserErased(erasure_id="two", ranges=[[58, 62]]))
    found = await continuity(small.bus, 100)
    assert (found.full, found.explained, found.missing) == (True, ((50, 51), (60, 60)), 3)


async def test_without_its_first_event_no_log_is_whole(small: SmallSystem) -> None:
    await erase(small, 1)
    await small.sign(UserErased(erasure_id="one", ranges=[[1, 1]]))
    found = await continuity(small.bus)
    assert not found.full
    assert "no longer begins with StreamStarted" in found.complaint()


@pytest.mark.parametrize(
    ("receipts", "left"),
    [
        ([], [(10, 20)]),
        ([(10, 20)], []),
        ([(1, 9), (21, 30)], [(10, 20)]),
        ([(5, 12), (18, 30)], [(13, 17)]),
        ([(12, 13), (15, 15)], [(10, 11), (14, 14), (16, 20)]),
        ([(14, 20), (10, 15)], []),
        ([(10, 18), (11, 12)], [(19, 20)]),
    ],
)
def test_what_receipts_leave_of_a_gap(receipts: list[Range], left: list[Range]) -> None:
    assert uncovered((10, 20), receipts) == left
