"""What the scorer folds shows at the next call: feedback, resets, policies and the catalog, for people of any id."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.events.admin import BanditReset, PolicyDisabled, PolicyEnabled, PolicyPromoted
from contracts.events.base import SignedEvent
from contracts.events.catalog import TipRetired
from services.bootstrap import load_signer
from services.publishing import EventPublisher
from tests.conftest import SHARED
from tests.serving.scorers import TIPS, Running, problem

ODD_IDS = (
    "two words", "a.b.c", "a/b", "/", "..", "100%", "%2F", "*", ">", "~YQ", "héllo wörld", "🙂🙃", "x" * 300,
    "line\nbreak", "?q=1#f", "\u202e\u200b",
)  # fmt: skip


async def admin(scorer: Running, event: SignedEvent) -> int:
    """Publish a signed event; its sequence, once the scorer has folded it."""
    publisher = EventPublisher(scorer.bus, load_signer(scorer.scorer.settings), source="/test")
    _, ack = await publisher.publish_signed(event, actor="ada")
    await scorer.stats(min_seq=ack.seq)
    return ack.seq


async def test_feedback_counts_at_the_next_call(scorer: Running) -> None:
    first = await scorer.score()
    seq = await scorer.feedback()
    stats = await scorer.stats(min_seq=seq)
    assert (stats["pulls"], stats["cumulative_reward"], stats["estimated_mean"]) == (1, 0.5, 0.5)
    second = await scorer.score(min_seq=seq)
    assert (first["state_version"], second["state_version"]) == (0, 1)
    assert second["model_seq"] >= seq
    assert {row["tip_id"]: row["mean"] for row in second["scores"]}[first["tip_id"]] > 0


async def test_the_same_action_again_changes_nothing_and_another_corrects(scorer: Running) -> None:
    await scorer.score()
    before = await scorer.stats(min_seq=await scorer.feedback(action="helpful"))
    again = await scorer.stats(min_seq=await scorer.feedback(action="helpful"))
    corrected = await scorer.stats(min_seq=await scorer.feedback(action="not_helpful"))
    figures = [(one["pulls"], one["cumulative_reward"]) for one in (before, again, corrected)]
    assert figures == [(1, 0.5), (1, 0.5), (1, -0.5)]
    assert before["digest"] == again["digest"] != corrected["digest"]


@SHARED
@pytest.mark.parametrize("user", ODD_IDS)
async def test_any_id_names_its_person(shared_scorer: Running, user: str) -> None:
    answer = await shared_scorer.score(user)
    seq = await shared_scorer.feedback(user, "done", decision_id=answer["decision_id"])
    stats = await shared_scorer.stats(user, min_seq=seq)
    assert (stats["user_id"], stats["pulls"], stats["cumulative_reward"]) == (user, 1, 1.0)


async def test_stats_of_somebody_unknown_are_those_of_a_beginning(scorer: Running) -> None:
    stats = await scorer.stats("nobody")
    assert (stats["pulls"], stats["cumulative_reward"], stats["estimated_mean"], stats["state_version"]) == (0, 0, 0, 0)
    assert (stats["theta"], stats["uncertainty"], len(stats["feature_names"])) == ([0.0] * 16, [1.0] * 16, 16)
    assert stats["digest"] == "0" * 64


async def test_a_reset_forgets_and_counts_as_a_version(scorer: Running) -> None:
    await scorer.score()
    await scorer.stats(min_seq=await scorer.feedback())
    seq = await admin(scorer, BanditReset(user_id="ada"))
    stats = await scorer.stats()
    assert (stats["pulls"], stats["cumulative_reward"], stats["state_version"]) == (0, 0.0, 2)
    assert (stats["theta"], stats["reset_seq"]) == ([0.0] * 16, seq)


async def test_the_live_policy_decides_unless_another_is_named(scorer: Running) -> None:
    await admin(scorer, PolicyPromoted(policy="greedy"))
    assert (await scorer.score())["policy"] == "greedy"
    assert (await scorer.score(policy="linucb"))["policy"] == "linucb"


async def test_random_decides_when_no_policy_is_live(scorer: Running) -> None:
    await admin(scorer, PolicyDisabled(policy="linucb"))
    answer = await scorer.score()
    assert (answer["policy"], answer["propensity"]) == ("random", pytest.approx(1 / 3))


async def test_live_policies_share_people_by_weight_and_keep_them(scorer: Running) -> None:
    await admin(scorer, PolicyEnabled(policy="random", weight=1.0))
    policies = {user: (await scorer.score(user))["policy"] for user in map(str, range(40))}
    assert set(policies.values()) == {"linucb", "random"}
    assert {user: (await scorer.score(user))["policy"] for user in policies} == policies


async def test_a_live_policy_that_this_release_does_not_know_is_passed_over(scorer: Running) -> None:
    await admin(scorer, PolicyEnabled(policy="from_the_future"))
    assert {(await scorer.score(str(number)))["policy"] for number in range(20)} == {"linucb"}


async def test_a_retired_tip_is_refused_from_then_on(scorer: Running) -> None:
    await scorer.score(candidates=TIPS[:1])
    await admin(scorer, TipRetired(tip_id=TIPS[1]))
    problem(await scorer.post(), 422, "candidates[1]")


async def test_what_was_imputed_and_what_is_stale_is_said(scorer: Running) -> None:
    now = datetime.now(UTC)
    signal = {
        "value": 5,
        "source": "ring",
        "observed_at": (now - timedelta(hours=1)).isoformat(),
        "token_expires_at": (now - timedelta(minutes=1)).isoformat(),
    }
    context = {"steps": 8000, "screen_minutes": 60, "signals": {"sleep_hours": signal}}
    answer = await scorer.score(context=context)
    assert answer["stale_sources"] == ["ring"]
    assert answer["missing"] == ["meetings_duration", "sleep_effort", "strain_calm"]
