"""Tips come and go: a new one is judged by what it is made of, a retired one is no candidate any more."""

import pytest

from contracts.events.catalog import TipPublished, TipRetired
from contracts.events.person import TipScored
from ml.policies.decision import CallRefused
from ml.policies.recompute import Finding
from tests.policies.test_recompute import TIPS, Desk

NEW = {"swim": ("movement", 3, 30), "doze": ("rest", 1, 15)}
LEARNING = ["linucb", "lints", "epsilon_greedy", "softmax", "greedy"]


@pytest.fixture
def desk() -> Desk:
    """Ann does what moves her and dismisses what rests her; two more tips come out, and nap goes."""
    desk = Desk()
    for number in range(24):
        desk.log.wait(hours=1)
        shown = "nap" if number % 2 else "walk"
        desk.decide(f"past-{number}", candidates=[shown])
        desk.log.feedback("dismissed" if shown == "nap" else "done")
    for tip_id, (category, effort, minutes) in NEW.items():
        desk.log.admin(TipPublished(tip_id=tip_id, title=tip_id, category=category, effort=effort, minutes=minutes))  # type: ignore[arg-type]
    desk.log.admin(TipRetired(tip_id="nap"))
    return desk


def means(event: TipScored) -> dict[str, float]:
    return dict(zip(event.candidate_ids(), event.mean, strict=True))


@pytest.mark.parametrize("policy", LEARNING)
def test_a_new_tip_is_judged_by_what_it_has_in_common_with_those_that_are_known(desk: Desk, policy: str) -> None:
    event = desk.decide("d", policy=policy, candidates=["walk", "plan", "call", *NEW])
    known = means(event)
    assert known["swim"] > 0.3 > -0.1 > known["doze"]
    assert desk.check(event) == Finding("identical")


@pytest.mark.parametrize("policy", LEARNING)
def test_of_two_new_tips_the_likelier_is_the_one_that_resembles_what_pleased(desk: Desk, policy: str) -> None:
    shown = [desk.decide(f"d{number}", policy=policy, candidates=list(NEW)).tip_id for number in range(40)]
    assert shown.count("swim") >= 30


def test_linucb_is_least_sure_of_a_tip_unlike_all_that_were_shown(desk: Desk) -> None:
    event = desk.decide("d", candidates=["walk", "call"])
    assert event.bonus[1] > 2 * event.bonus[0]


def test_a_retired_tip_is_no_candidate_but_its_past_still_counts(desk: Desk) -> None:
    with pytest.raises(CallRefused, match="retired"):
        desk.decide("d", candidates=["walk", "nap"])
    before = means(desk.decide("e", candidates=list(NEW)))["doze"]
    desk.log.feedback("helpful", decision_id="past-23")
    assert means(desk.decide("f", candidates=list(NEW)))["doze"] > before


def test_a_retired_tip_that_comes_out_again_is_judged_by_its_past(desk: Desk) -> None:
    category, effort, minutes = TIPS["nap"]
    desk.log.admin(TipPublished(tip_id="nap", title="nap", category=category, effort=effort, minutes=minutes))  # type: ignore[arg-type]
    assert means(desk.decide("d", candidates=["nap"]))["nap"] < -0.1
