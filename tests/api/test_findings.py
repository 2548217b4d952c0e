"""What health says is wrong: the cause first, with what to do, and not what only follows from it."""

from typing import Any

from services.api.condition import Component, Condition, State
from services.api.findings import CATCHES_UP, STANDS_STILL, findings


def part(state: State = "up", **fields: Any) -> Component:
    details = fields.pop("details", {})
    return Component(state, details=details, **fields)


def absent(error: str, state: State = "down") -> Component:
    return part(state, details={"last_error": error, "remedy": f"mend {error}"})


def condition(**changed: Component) -> Condition:
    names = ("api", "stream", "scorer", "projector", "analytics", "query", "outbox")
    return Condition("degraded", False, {name: part() for name in names} | changed)


def test_nothing_is_wrong_while_every_part_is_up() -> None:
    assert findings(condition()) == []


def test_a_part_that_does_not_answer_is_named_with_its_remedy() -> None:
    (found,) = findings(condition(analytics=absent("no answer")))
    assert (found.component, found.severity, found.remedy) == ("analytics", "bad", "mend no answer")
    assert found.says == "does not answer (no answer)"


def test_without_the_stream_it_alone_is_the_cause() -> None:
    gone = {name: absent("x") for name in ("stream", "projector", "analytics", "query", "replayer", "shadow")}
    (found,) = findings(condition(**gone))
    assert found.component == "stream"
    assert found.says == "does not answer (x), so nobody hears from analytics, projector, query, replayer, shadow"


def test_without_the_scorer_nobody_asks_after_its_outbox() -> None:
    (found,) = findings(condition(scorer=absent("x"), outbox=absent("the scorer does not tell")))
    assert found.component == "scorer"


def test_a_fold_that_failed_is_told_from_a_process_that_is_gone() -> None:
    (found,) = findings(condition(query=part("down", seq=41, lag_events=3, details={"last_error": "event 42: boom"})))
    assert (found.says, found.remedy) == ("stands still at event 41: event 42: boom", STANDS_STILL)


def test_a_part_that_says_itself_why_it_is_down_is_heard() -> None:
    told = {"last_error": "the outbox cannot be opened", "remedy": "move it away"}
    (found,) = findings(condition(scorer=part("down", seq=0, details=told), outbox=absent("the scorer does not tell")))
    assert (found.component, found.says, found.remedy) == (
        "scorer",
        "is down: the outbox cannot be opened",
        "move it away",
    )


def test_an_outbox_that_cannot_be_written_is_not_said_to_be_silent() -> None:
    told = {"last_error": "it cannot be written (the disk is full)", "remedy": "make room"}
    (found,) = findings(condition(outbox=part("down", lag_events=0, details=told)))
    assert (found.says, found.severity) == ("is down: it cannot be written (the disk is full)", "bad")


def test_who_must_act_is_told_before_who_may_wait() -> None:
    found = findings(
        condition(scorer=part("starting"), analytics=part("behind", lag_events=1234), query=absent("no answer"))
    )
    assert [one.component for one in found] == ["query", "scorer", "analytics"]
    assert (found[2].says, found[2].remedy) == ("is 1,234 events behind", CATCHES_UP)


def test_a_disk_that_runs_full_is_said_before_it_is() -> None:
    for free, count in ((60, 0), (49, 1)):
        api = part(details={"disk": {"free_bytes": free, "total_bytes": 1000}})
        assert len(findings(condition(api=api))) == count
