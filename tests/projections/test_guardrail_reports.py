"""What a guardrail compares: a policy since it climbed, with the one before it when that was as young."""

import pytest

from contracts.times import format_time
from tests.projections.reported import Reported

MINUTE = 60.0


async def climbed_after(reported: Reported, action: str) -> str:
    """Four decisions an hour apart, each with a reaction after 20 minutes; the climb comes 10 minutes after the last.

    The last reaction comes after the climb.
    """
    log = reported.log
    for number in range(4):
        log.scored(f"person-{number}", f"d{number}")
        log.wait(seconds=(10 if number == 3 else 20) * MINUTE)
        if number == 3:
            break
        log.feedback(action, f"person-{number}", f"d{number}")  # type: ignore[arg-type]
        log.wait(seconds=40 * MINUTE)
    climbed = format_time(log.now_us)
    log.wait(seconds=10 * MINUTE)
    log.feedback(action, "person-3", "d3")  # type: ignore[arg-type]
    return climbed


@pytest.mark.parametrize(
    ("minutes", "reacted"),
    [
        (15, 0),  # the ends of slices come 10 minutes after each decision
        (45, 2),  # 10, 40, 25 and 10 minutes after
        (240, 3),  # at the climb
    ],
)
@pytest.mark.parametrize(("action", "reward"), [("done", 1.0), ("not_helpful", -0.5)])
async def test_the_policy_before_is_seen_after_as_long_as_the_other_decides(
    reported: Reported, action: str, reward: float, minutes: int, reacted: int
) -> None:
    climbed = await climbed_after(reported, action)
    reported.log.wait(seconds=(minutes - 10) * MINUTE)
    reported.log.scored("eve", policy="softmax")
    (before,) = await reported.rows("guardrail_before", policy="linucb", climbed=climbed)
    assert (before["people"], before["decisions"], before["reward"]) == (4, 4, reward * reacted)
    assert before["negative"] == (reacted if reward < 0 else 0)
    assert before["reward_x_reward"] == reward**2 * reacted


async def test_what_stands_counts_and_not_what_was_said_first(reported: Reported) -> None:
    log = reported.log
    log.scored("ann", "d")
    log.feedback("dismissed", decision_id="d")
    log.feedback("not_helpful", decision_id="d")
    log.feedback("helpful", decision_id="d")
    log.feedback("done", decision_id="d")
    log.wait(seconds=MINUTE)
    climbed = format_time(log.now_us)
    log.wait(days=1)
    log.scored("eve", policy="softmax")
    (before,) = await reported.rows("guardrail_before", policy="linucb", climbed=climbed)
    assert (before["reward"], before["negative"]) == (1.5, 0)


async def test_only_a_month_and_own_decisions_count(reported: Reported) -> None:
    log = reported.log
    log.scored("ann", "old")
    log.wait(days=31)
    log.scored("ann", "external", external=True)
    log.scored("ann", "other", policy="greedy")
    climbed = format_time(log.now_us)
    log.scored("ann", "after")
    assert await reported.rows("guardrail_before", policy="linucb", climbed=climbed) == []
