"""One decision is explained from its person's own events: to the bit, wherever it stands, and without the whole log."""

from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest

from contracts.envelope import Entry, Recorded
from contracts.events.admin import ModelPromoted, PolicyPromoted
from contracts.events.catalog import TipRetired
from contracts.events.person import TipScored
from contracts.subjects import matches
from ml.features.definitions import CURRENT
from ml.policies.decision import CallRefused, Decider, ScoringCall
from ml.policies.recompute import Finding
from projections.explanation import made_today, promoted, recomputed
from projections.folds.projection import State, advance
from projections.queries import ReadModel
from services.bootstrap import open_decoder
from tests.folds.log import DECODER, Log
from tests.projections.office import TIPS, Office
from tests.projections.small import SmallSystem


class Stored:
    """A log as the bus hands it out; remembers what was read."""

    def __init__(self, log: Log) -> None:
        self.records = log.records
        self.seen: list[Recorded] = []

    async def read(
        self, after: int, *, upto: int | None = None, subjects: Sequence[str] = ()
    ) -> AsyncIterator[list[Recorded]]:
        assert upto is not None
        wanted = [
            record
            for record in self.records
            if after < record.seq <= upto and any(matches(pattern, record.subject) for pattern in subjects)
        ]
        self.seen += wanted
        for start in range(0, len(wanted), 7):
            yield wanted[start : start + 7]


async def finding(office: Office, seq: int) -> Finding:
    """What is found about the decision at a sequence."""
    entry = DECODER.decode(office.log.records[seq - 1])
    assert isinstance(entry, Entry)
    assert isinstance(entry.event, TipScored)
    return await recomputed(Stored(office.log), DECODER, seq, entry.event)


@pytest.fixture
def office() -> Office:
    return Office()


async def test_every_score_of_a_real_history_is_explained_to_the_bit(small: SmallSystem) -> None:
    decoder, decisions = await open_decoder(small.bus), 0
    async for batch in small.bus.read(0, upto=await small.last(), subjects=["tips.scored.*"]):
        for recorded in batch:
            entry = decoder.decode(recorded)
            assert isinstance(entry, Entry)
            event = entry.event
            assert isinstance(event, TipScored)
            found = await recomputed(small.bus, decoder, recorded.seq, event)
            assert found == Finding("identical")
            assert found.again is not None
            choice, terms = found.again.scored.choice, found.again.contributions
            for logged, ours in ((event.mean, choice.mean), (event.bonus, choice.bonus), (event.score, choice.score)):
                assert np.array(logged).tobytes() == ours.tobytes()
            assert terms.shape == (len(event.candidates), len(event.x))
            assert np.abs(terms.sum(axis=1) - event.mean).max() < 1e-12
            assert choice.propensities[choice.index] == event.propensity
            assert abs(choice.propensities.sum() - 1) < 1e-12
            decisions += 1
    assert decisions > 20


async def test_only_what_a_score_depends_on_is_read(office: Office) -> None:
    office.learn(2)
    office.log.scored("bob")
    office.log.feedback("helpful", "bob")
    office.log.signal({"steps": 1.0})
    office.log.reset("bob")
    seq = office.append(office.decide("last"))
    office.learn(1)
    stored = Stored(office.log)
    entry = DECODER.decode(office.log.records[seq - 1])
    assert isinstance(entry, Entry)
    assert isinstance(entry.event, TipScored)
    assert await recomputed(stored, DECODER, seq, entry.event) == Finding("identical")
    # Five tips, two decisions with a reaction each, and the decision itself.
    assert len(stored.seen) == 5 + 4 + 1
    assert stored.seen[-1].seq == seq


async def test_a_decision_logged_after_later_changes_and_a_reset_is_identical(office: Office) -> None:
    office.learn(3)
    late = office.decide("late")
    office.log.feedback("not_helpful", "ann", office.log.state.attribution.recent["ann"][0])
    office.log.reset("ann")
    office.learn(2)
    assert (late.state_version, office.log.state.learning.people["ann"].version) == (3, 7)
    assert await finding(office, office.append(late)) == Finding("identical")


async def test_feedback_that_waited_for_its_decision_does_not_explain_it(office: Office) -> None:
    office.learn(1)
    early = office.decide("early")
    office.log.feedback("done", "ann", "early")
    assert await finding(office, office.append(early)) == Finding("identical")
    assert office.log.learned("ann")[1] == 2


async def test_a_decision_from_before_a_window_closed_is_identical(office: Office) -> None:
    office.learn(2)
    office.log.wait(days=40)
    office.log.scored("bob")
    office.learn(1)
    assert await finding(office, office.append(office.decide("last"))) == Finding("identical")


async def test_a_policy_that_forgets_is_explained_to_the_bit(office: Office) -> None:
    office.learn(2)
    plain = office.append(office.decide("plain"))
    office.log.admin(PolicyPromoted(policy="linucb", params={"gamma": 0.75}))
    unfaded = office.append(office.decide("unfaded"))
    office.learn(2)
    late = office.decide("late")
    office.log.feedback("not_helpful", "ann", office.log.state.attribution.recent["ann"][0])
    now = office.decide("now")
    assert office.log.state.learning.people["ann"].faded[CURRENT].keys() == {0.75}
    assert (late.params["gamma"], late.state_version, now.state_version) == (0.75, 4, 5)
    assert now.mean != late.mean
    office.learn(1)
    for seq in (plain, unfaded, office.append(late), office.append(now)):
        assert await finding(office, seq) == Finding("identical")
    changed = now.model_copy(update={"params": now.params | {"gamma": 1.0}})
    assert (await finding(office, office.append(changed.model_copy(update={"decision_id": "other"})))).differences


async def test_the_model_of_its_time_explains_a_decision(office: Office) -> None:
    office.learn(2)
    before = office.append(office.decide("before"))
    d = len(office.decide("x").x)
    a0 = [[2.0 if row == column else 0.0 for column in range(d)] for row in range(d)]
    office.log.admin(ModelPromoted(model_version="m1", feature_set=CURRENT, a0=a0, b0=[0.1] * d))
    after = office.append(office.decide("after"))
    assert await finding(office, before) == Finding("identical")
    assert await finding(office, after) == Finding("identical")
    (model,) = await promoted(Stored(office.log), DECODER, office.log.seq)
    assert (model.model_version, model.b0) == ("m1", [0.1] * d)


@pytest.mark.parametrize(
    ("changes", "verdict", "differs"),
    [
        ({"state_version": 9}, "mismatched", "state_version 9 is ahead of the log, which knows 2"),
        ({"state_version": 1}, "mismatched", "mean"),
        ({"feature_set": "other.v1"}, "mismatched", "feature_set other.v1 is not known to this release"),
        ({"external": True}, "external", None),
    ],
)
async def test_what_does_not_follow_from_the_log_is_named(
    office: Office, changes: dict[str, object], verdict: str, differs: str | None
) -> None:
    office.learn(2)
    event = office.decide("changed", **changes)
    found = await recomputed(Stored(office.log), DECODER, office.log.seq, event)
    assert found.verdict == verdict
    assert (differs in found.differences) if differs else (found.again is None)


async def test_what_the_model_would_make_of_it_today_is_what_the_scorer_would(small: SmallSystem) -> None:
    await small.sign(PolicyPromoted(policy="linucb", params={"alpha": 1.5}))
    decoder, state, events = await open_decoder(small.bus), State(), []
    async for batch in small.bus.read(0, upto=await small.last()):
        for recorded in batch:
            entry = decoder.decode(recorded)
            advance(state, entry)
            if isinstance(entry, Entry) and isinstance(entry.event, TipScored):
                events.append(entry.event)
    async with small.own("sqlite"):
        model = ReadModel(small.settings.home)
        for event in events[-5:]:
            made = made_today(event, model, [])
            decider = Decider()
            call = ScoringCall(event.decision_id, event.user_id, event.policy, event.candidates)
            now = decider.decide(state, call, decider.read(event.context, event.occurred_at), event.occurred_at)
            assert (made.score, made.tip_id, made.state_version) == (now.score, now.tip_id, now.state_version)
            assert made.params["alpha"] == 1.5 != event.params["alpha"]
        model.close()


class Folded:
    """The read side as a log's tables have it."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def policies(self) -> list[dict[str, object]]:
        return self._log.rows("policies")

    def tips(self, active: bool | None = None) -> list[dict[str, object]]:
        return self._log.rows("tips")

    def sums(self, user_id: str) -> list[dict[str, object]]:
        return [row for row in self._log.rows("bandit_stats") if row["user_id"] == user_id]


def test_what_a_policy_that_forgets_would_make_of_it_today_is_what_the_scorer_would(office: Office) -> None:
    office.learn(1)
    office.log.admin(PolicyPromoted(policy="linucb", params={"gamma": 0.75}))
    office.learn(3)
    now = office.decide("now")
    assert made_today(now, Folded(office.log), []).score == now.score
    office.log.tables["bandit_stats"].pop(("ann", CURRENT, 0.75))
    assert made_today(now, Folded(office.log), []).score != now.score


async def test_a_tip_that_was_retired_is_not_chosen_today(small: SmallSystem) -> None:
    event = Office().decide("d", user_id="nobody")
    await small.sign(TipRetired(tip_id=TIPS[0]))
    async with small.own("sqlite"):
        model = ReadModel(small.settings.home)
        assert made_today(event, model, []).candidates == TIPS[1:]
        with pytest.raises(CallRefused, match="is unknown"):
            made_today(event.model_copy(update={"policy": "obd_random"}), model, [])
        with pytest.raises(CallRefused, match="must be 1 to"):
            made_today(event.model_copy(update={"candidates": [TIPS[0]]}), model, [])
        model.close()
