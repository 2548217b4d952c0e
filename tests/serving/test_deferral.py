"""Work that lets others come first: how far it may go, from what the stream has stored."""

from hypothesis import given
from hypothesis import strategies as st

from ml.serving.deferral import Deferral

LONGEST_S = 300.0


class Stream:
    """A stream with its clock; `store` adds what others store, and tells how far work may go then."""

    def __init__(self, longest_s: float = LONGEST_S) -> None:
        self.now = 0.0
        self.last = self.own = 0
        self.deferral = Deferral(longest_s, lambda: self.now)

    def store(self, per_s: float, seconds: float, *, own: int = 0, every_s: float = 0.25) -> int:
        """What others and the work itself store; looked at four times a second."""
        upto = self.deferral.look(self.last, self.own)
        for _ in range(round(seconds / every_s)):
            self.now += every_s
            self.last += round(per_s * every_s) + own
            self.own += own
            upto = self.deferral.look(self.last, self.own)
        return upto


def test_work_goes_to_the_end_while_others_store_little() -> None:
    stream = Stream()
    assert stream.store(per_s=20, seconds=60) == stream.last


def test_work_waits_while_others_store_much_and_goes_on_when_they_have_done() -> None:
    stream = Stream()
    stream.store(per_s=0, seconds=10)
    assert stream.store(per_s=200, seconds=60) == 0
    assert stream.deferral.busy
    assert stream.store(per_s=0, seconds=0.25) == stream.last
    assert not stream.deferral.busy


def test_what_the_work_itself_stores_is_no_load() -> None:
    stream = Stream()
    assert stream.store(per_s=20, seconds=60, own=200) == stream.last


def test_a_load_that_does_not_end_is_followed_at_its_own_pace() -> None:
    stream = Stream()
    stream.store(per_s=200, seconds=LONGEST_S + 100)
    for _ in range(100):
        before = stream.deferral.look(stream.last, stream.own)
        assert stream.store(per_s=200, seconds=0.25) - before == 50
        assert stream.last - before == 200 * LONGEST_S + 50


def test_without_a_longest_time_nothing_waits() -> None:
    stream = Stream(longest_s=0.0)
    assert stream.store(per_s=1000, seconds=60) == stream.last


def test_who_begins_waits_until_it_knows() -> None:
    stream = Stream()
    stream.last = 1000
    assert stream.deferral.look(stream.last, 0) == 0
    assert stream.store(per_s=0, seconds=0.25) == stream.last


def test_two_events_at_one_moment_are_no_load() -> None:
    stream = Stream()
    stream.store(per_s=0, seconds=10)
    stream.now, stream.last = stream.now + 0.001, stream.last + 2
    assert stream.deferral.look(stream.last, 0) == stream.last


@given(st.lists(st.tuples(st.floats(0.01, 500), st.integers(0, 5000), st.integers(0, 500)), max_size=50))
def test_work_never_goes_beyond_the_end_nor_stays_further_behind_than_it_may(
    steps: list[tuple[float, int, int]],
) -> None:
    stream, ends = Stream(), [(0.0, 0)]
    for seconds, others, own in steps:
        stream.now, stream.last, stream.own = stream.now + seconds, stream.last + others + own, stream.own + own
        upto = stream.deferral.look(stream.last, stream.own)
        old = max((end for at, end in ends if at <= stream.now - LONGEST_S), default=0)
        ends.append((stream.now, stream.last))
        assert old <= upto <= stream.last
