"""Whatever the read model had come to when a decision's context was taken, that context comes out of the joins."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.times import HOUR_US, SECOND_US
from ml.features.definitions import WELLBEING_V1
from ml.offline.decisions import offline_decisions
from projections.folds.projection import State, fold
from projections.folds.tables import ONLINE_FEATURES
from tests.folds.log import DECODER, apply, empty_tables
from tests.offline.served import Rows, serve, tables_of
from tests.projections.office import Office

SIGNALS = st.tuples(
    st.sampled_from(["steps", "mood", "stress"]),
    st.sampled_from([1.0, 2.0, 3.5]),
    st.integers(min_value=-3, max_value=0),
    st.sampled_from([None, 1, 48]),
)
DECISIONS = st.tuples(st.integers(min_value=0, max_value=6), st.integers(min_value=0, max_value=6))


def rows_at(office: Office, seq: int) -> Rows:
    """Ann's online features when the read model had come to `seq`."""
    state, tables = State(), empty_tables()
    for recorded in office.log.records[:seq]:
        apply(tables, fold(state, DECODER.decode(recorded))[1])
    found = tables[ONLINE_FEATURES.name].values()
    return [dict(zip(ONLINE_FEATURES.names, row, strict=True)) for row in found]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(SIGNALS, DECISIONS), min_size=3, max_size=14))
def test_a_context_comes_out_as_it_was_wherever_the_read_model_and_the_scorer_stood(
    steps: list[tuple[str, float, int, int | None] | tuple[int, int]],
) -> None:
    office, made = Office(), {}
    log = office.log
    for number, step in enumerate(steps):
        log.wait(hours=1)
        if len(step) == 4:
            name, value, ago, lasts = step
            expires = None if lasts is None else log.now_us + lasts * HOUR_US
            observed = log.now_us + ago * HOUR_US
            log.signal({name: value}, source="watch", observed_us=observed, token_expires_us=expires)
            continue
        behind, scorer_behind = step
        read_at = max(5, log.seq - behind)
        decision = serve(office, f"d{number}", rows=rows_at(office, read_at))
        decision = decision.model_copy(update={"model_seq": max(5, log.seq - scorer_behind)})
        log.wait(us=SECOND_US)
        office.append(decision)
        made[decision.decision_id] = (decision, read_at)
    with tempfile.TemporaryDirectory() as folder:
        sink = tables_of(log.records, Path(folder))
        with sink.cursor() as cursor:
            found = list(offline_decisions(cursor, WELLBEING_V1))
        sink.close()
    assert {one.decision_id for one in found} == set(made)
    for one in found:
        logged, read_at = made[one.decision_id]
        assert one.context == logged.context
        assert one.traced
        assert one.proven
        assert one.known_seq < one.seq
        # No position nearer to the scorer's shows the same; the true one is not always known, but never contradicted.
        assert abs(one.known_seq - one.model_seq) <= abs(read_at - one.model_seq)
