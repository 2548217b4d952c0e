"""The simulated past: the same bytes each time, equal to what a fresh fold gives, and learned from."""

from collections import Counter
from collections.abc import Callable

from contracts.codec import as_recorded
from contracts.envelope import Entry, Message
from contracts.events.person import FeedbackReceived, SignalObserved, TipScored
from projections.audit import ScoreAudit
from projections.folds.learning import stats_rows
from projections.folds.projection import State, advance
from services.bus.memory import MemoryBus
from services.demo.history import History, Plan
from services.demo.past import publish_past
from tests.demo.conftest import START_US

SMALL = Plan(seed=7, people=6, start_us=START_US, days=5)

Begin = Callable[..., History]


def test_the_same_seed_and_start_give_the_same_ids_and_bytes(begin: Begin) -> None:
    once, again = list(begin(SMALL).messages()), list(begin(SMALL).messages())
    assert once == again
    assert len(once) > 400
    ids = [message.headers["Nats-Msg-Id"] for message in once]
    assert len(set(ids)) == len(ids)
    other = list(begin(Plan(8, 6, START_US, 5)).messages())
    assert {message.data for message in once}.isdisjoint(message.data for message in other)


async def test_a_fresh_fold_of_the_published_stream_gives_the_same_state_and_scores(
    begin: Begin, memory_bus: MemoryBus
) -> None:
    history = begin(SMALL)
    published = await publish_past(memory_bus, history)
    info = await memory_bus.info()
    assert info.last_seq == history.present.state.seq

    state = State()
    audit = ScoreAudit(state)
    async for records in memory_bus.read(0, upto=info.last_seq):
        for record in records:
            item = history.present.decoder.decode(record)
            assert isinstance(item, Entry)
            step, _ = advance(state, item)
            audit.observe(step)
    assert audit.verdicts == {"identical": history.counts[TipScored.TYPE]}
    assert published == sum(history.counts[kind.TYPE] for kind in (TipScored, SignalObserved, FeedbackReceived))

    def rows(of: State) -> list[object]:
        return [row for user_id, person in of.learning.people.items() for row in stats_rows(user_id, person)]

    assert rows(state) == rows(history.present.state)


def test_events_come_in_the_order_of_their_time_and_within_the_plan(begin: Begin) -> None:
    history = begin(SMALL)
    times = [history.now_us for _ in history.messages()]
    assert times == sorted(times)
    assert SMALL.start_us <= times[0]
    assert times[-1] < SMALL.end_us
    assert history.covered > 0.95


def test_some_decisions_lack_features_and_some_meet_an_expired_token(begin: Begin) -> None:
    history = begin(Plan(7, 12, START_US, 12))
    seen: Counter[str] = Counter()
    for message in history.messages():
        decision = _decision(history, message)
        if decision is not None:
            seen["all"] += 1
            seen["missing"] += bool(decision.missing)
            seen["stale"] += bool(decision.stale_sources)
    assert 0.05 < seen["missing"] / seen["all"] < 0.9
    assert 0.01 < seen["stale"] / seen["all"] < 0.5


def test_linucb_learns_what_people_like(begin: Begin) -> None:
    means = {}
    for policy in ("linucb", "random"):
        history = begin(Plan(7, 12, START_US, 14), policy)
        for _ in history.messages():
            pass
        means[policy] = history.tallies[policy].means()
    (learned, best, _), (chance, same_best, all_tips) = means["linucb"], means["random"]
    assert best == same_best, "both policies meet the same people at the same moments"
    assert abs(chance - all_tips) < 0.05
    assert learned > chance + 0.15
    assert learned < best


def _decision(history: History, message: Message) -> TipScored | None:
    item = history.present.decoder.decode(as_recorded(message, 1, history.recorded_ns))
    assert isinstance(item, Entry)
    return item.event if isinstance(item.event, TipScored) else None
