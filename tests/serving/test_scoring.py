"""`POST /score`: what it answers, what it logs, and that the log is enough to compute it again."""

import asyncio
from collections import Counter

import orjson
import pytest

from contracts.envelope import Message
from ml.policies.params import TAKEN
from ml.policies.recompute import Recomputer
from ml.policies.registry import POLICIES
from projections.folds.learning import Sums
from projections.folds.projection import State, fold
from services.bootstrap import open_decoder
from services.bus.jetstream import JetStreamBus
from tests.conftest import SHARED
from tests.serving.scorers import TIPS, Running, decisions_in, problem

ANSWER = {
    "decision_id", "policy", "tip_id", "propensity", "scores", "state_version", "model_seq", "latency_ms", "logged",
}  # fmt: skip
MORE = {"explored", "missing", "stale_sources", "ignored"}


async def test_the_answer_has_the_fields_of_the_design_and_is_what_was_logged(scorer: Running) -> None:
    answer = await scorer.score(context={"steps": 9000, "weather": "fine"}, candidates=TIPS[:5])
    assert answer.keys() == ANSWER | MORE
    assert [row.keys() for row in answer["scores"]] == [{"tip_id", "score", "mean", "bonus"}] * 5
    assert answer["logged"] is True
    assert answer["policy"] == "linucb"
    assert answer["ignored"] == ["weather"]
    [(_, event)] = await decisions_in(scorer.bus)
    assert (event.decision_id, event.user_id, event.tip_id) == (answer["decision_id"], "ada", answer["tip_id"])
    assert event.candidates == [row["tip_id"] for row in answer["scores"]] == TIPS[:5]
    assert event.score == [row["score"] for row in answer["scores"]]
    assert (event.propensity, event.model_seq) == (answer["propensity"], answer["model_seq"])
    assert answer["latency_ms"] == event.latency_us / 1000  # divided, as it is made: x / 1000 * 1000 need not be x
    assert event.latency_us > 0
    assert event.context["signals"]["steps"]["value"] == 9000.0
    assert "weather" not in event.context


async def test_one_candidate_is_certain(scorer: Running) -> None:
    answer = await scorer.score(candidates=TIPS[:1])
    assert (answer["tip_id"], answer["propensity"]) == (TIPS[0], 1.0)


async def test_propensities_are_the_shares_that_come_out(scorer: Running) -> None:
    """Over many decisions of one state, each tip is chosen about as often as its logged propensity says."""
    answers = [await scorer.score(policy="random", candidates=TIPS[:4], decision_id=f"r{n}") for n in range(200)]
    assert {answer["propensity"] for answer in answers} == {0.25}
    chosen = Counter(answer["tip_id"] for answer in answers)
    assert all(25 <= chosen[tip_id] <= 75 for tip_id in TIPS[:4]), chosen
    answers = [await scorer.score(policy="linucb", candidates=TIPS[:4], decision_id=f"l{n}") for n in range(200)]
    best = Counter(answer["tip_id"] for answer in answers).most_common(1)[0][0]
    for answer in answers:
        assert answer["propensity"] == pytest.approx(0.9625 if answer["tip_id"] == best else 0.0125)
    assert 0 < sum(answer["tip_id"] != best for answer in answers) < 25


async def test_every_policy_can_be_asked_by_name_and_is_recomputed_from_the_stream(scorer: Running) -> None:
    await scorer.score()
    seq = await scorer.feedback(action="helpful")
    for policy in POLICIES:
        answer = await scorer.score(policy=policy, candidates=TIPS[:6], min_seq=seq)
        assert answer["policy"] == policy
    logged = [event for _, event in await decisions_in(scorer.bus)][1:]
    assert [event.params.keys() for event in logged] == [set(TAKEN[policy]) for policy in POLICIES]
    assert await verdicts(scorer.bus) == ["identical"] * (1 + len(POLICIES))


async def test_logged_decisions_recompute_to_the_same_bits(scorer: Running) -> None:
    """Listed and described candidates, before and after learning, from nothing but the stream."""
    described = {"tip_id": "mine", "features": {"category": "focus", "effort": 2, "tip_duration": 0.25}}
    for number in range(6):
        await scorer.score(candidates=[*TIPS[:7], described], context={"steps": 500 * number, "mood": 4})
        seq = await scorer.feedback(action="helpful" if number % 2 else "dismissed")
        assert (await scorer.stats(min_seq=seq))["pulls"] == number + 1
    assert (await scorer.score(candidates=[described], min_seq=seq))["tip_id"] == "mine"
    logged = [event for _, event in await decisions_in(scorer.bus)]
    assert [event.state_version for event in logged] == list(range(7))
    assert logged[-1].to_json().count(b'"tip_duration":0.25') == 2, "inline features are in the log"
    assert await verdicts(scorer.bus) == ["identical"] * 7


async def verdicts(bus: JetStreamBus) -> list[str]:
    """Each decision recomputed from the folded state that was before it."""
    state = State()
    found: list[str] = []
    decoder, recomputer = await open_decoder(bus), Recomputer(state.catalog.at)
    events = dict(await decisions_in(bus))
    async for batch in bus.read(0, upto=(await bus.info()).last_seq):
        for recorded in batch:
            if (event := events.get(recorded.seq)) is not None:
                person = state.learning.people.get(event.user_id)
                assert event.state_version == (person.version if person is not None else 0)
                sums: Sums | None = person.sums.get(event.feature_set) if person is not None else None
                found.append(recomputer.check(event, sums, state.policies.model(event.feature_set)).verdict)
            fold(state, decoder.decode(recorded))
    return found


async def test_the_same_decision_id_gets_the_same_answer_in_flight_and_folded(scorer: Running) -> None:
    answers = await asyncio.gather(*(scorer.score(decision_id="once", candidates=TIPS[n : n + 9]) for n in range(8)))
    assert all(answer == answers[0] for answer in answers)
    await scorer.stats(min_seq=(await scorer.bus.info()).last_seq)
    await scorer.score()
    assert await scorer.score(decision_id="once", candidates=TIPS[9:]) == answers[0]
    assert [event.decision_id for _, event in await decisions_in(scorer.bus)].count("once") == 1


async def test_another_persons_decision_id_is_refused(scorer: Running) -> None:
    at_once = await asyncio.gather(*(scorer.post(user, decision_id="held") for user in ("ada", "bob")))
    assert sorted(answer.status_code for answer in at_once) == [200, 409]
    await scorer.stats(min_seq=(await scorer.bus.info()).last_seq)
    loser = ("ada", "bob")[[answer.status_code for answer in at_once].index(409)]
    problem(await scorer.post(loser, decision_id="held"), 409, "decision_id")
    assert len(await decisions_in(scorer.bus)) == 1


async def test_an_id_that_another_event_has_is_refused(scorer: Running) -> None:
    seq = await scorer.feedback(user_id="bob")
    taken = (await scorer.bus.get(seq)).headers["Nats-Msg-Id"]  # type: ignore[union-attr]
    problem(await scorer.post(decision_id=taken), 409, "decision_id")


async def test_what_a_producer_put_under_an_id_is_read_as_the_folds_do(scorer: Running) -> None:
    await scorer.bus.publish(Message("tips.scored.ada", {"Nats-Msg-Id": "none"}, b"{}"))
    problem(await scorer.post(decision_id="none"), 409, "decision_id")

    await scorer.score(decision_id="first")
    [(seq, event)] = await decisions_in(scorer.bus)
    body = orjson.loads((await scorer.bus.get(seq)).data) | {"decision_id": "again"}  # type: ignore[union-attr]
    # Whoever publishes may leave to the subject what it says.
    del body["user_id"]
    await scorer.bus.publish(Message("tips.scored.ada", {"Nats-Msg-Id": "again"}, orjson.dumps(body)))
    assert (await scorer.score(decision_id="again"))["tip_id"] == event.tip_id


@SHARED
@pytest.mark.parametrize("decision_id", ["a b", "🌱" * 512, "line\nbreak", "*.>", "../..", "50%", "\u0000"])
async def test_odd_decision_ids_work(shared_scorer: Running, decision_id: str) -> None:
    first = await shared_scorer.score(decision_id=decision_id)
    assert first["decision_id"] == decision_id
    assert await shared_scorer.score(decision_id=decision_id) == first


@SHARED
@pytest.mark.parametrize("sent", [b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01", b"\xff\xfe", b"x" * 9000])
async def test_only_a_valid_traceparent_is_logged(shared_scorer: Running, sent: bytes) -> None:
    body = {"user_id": "ada", "context": {}, "candidates": TIPS[:2]}
    answer = await shared_scorer.caller.post("/score", json=body, headers={b"traceparent": sent})
    assert answer.json()["logged"] is True
    recorded = await shared_scorer.bus.get((await shared_scorer.bus.info()).last_seq)
    assert recorded is not None
    assert recorded.headers.get("traceparent") == (sent.decode() if sent.startswith(b"00-") else None)
