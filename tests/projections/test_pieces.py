"""An answer too large for one message arrives whole, and takes its room for a bounded time only."""

import orjson
import pytest

from projections import pieces
from projections.pieces import AnswerGone, AnswerTooLarge, Pieces, fetch


class Owner:
    """A bus with one owner behind it that answers with `answer`."""

    def __init__(self, answer: dict[str, object]) -> None:
        self.pieces, self.answer, self.sizes = Pieces(), orjson.dumps(answer), list[int]()

    async def request(self, subject: str, data: bytes, timeout: float) -> bytes:
        question = orjson.loads(data)
        piece = question["op"] == "piece"
        said = self.pieces.piece(question["kept"], question["number"]) if piece else self.pieces.cut(self.answer)
        self.sizes.append(len(said))
        return said


@pytest.mark.parametrize("size", [10, 999_990, 1_000_000, 2_000_000, 3_456_789])
async def test_it_arrives_whole(size: int) -> None:
    owner = Owner({"rows": "x" * size})
    assert await fetch(owner, "tipstream.ctl.query", {"op": "sql"}, 1.0) == {"rows": "x" * size}
    assert max(owner.sizes) <= pieces.PIECE
    # Nothing is kept of what was fetched.
    assert owner.pieces._kept == {}


def test_the_oldest_answers_make_room_and_none_is_larger_than_all_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "MOST_KEPT", 3_000_000)
    kept = Pieces()
    first, second = (orjson.loads(kept.cut(b"x" * 1_500_000))["kept"] for _ in range(2))
    third = orjson.loads(kept.cut(b"y" * 1_500_000))["kept"]
    with pytest.raises(AnswerGone):
        kept.piece(first, 0)
    assert kept.piece(second, 0)[:1] == b"x"
    assert kept.piece(third, 1) == b"y" * 500_000
    with pytest.raises(AnswerTooLarge, match="ask for fewer rows"):
        kept.cut(b"z" * 3_000_001)
