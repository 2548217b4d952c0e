"""Asking for an erasure: the plan of a dry run, the typed confirmation, and the signed request."""

from contracts.envelope import Entry
from contracts.events.admin import UserErasureRequested
from services.bootstrap import open_decoder
from services.bus.jetstream import JetStreamBus
from tests.api.callers import Door

ZOE = "Zoë/1"
PATH = "/api/admin/users/Zo%C3%AB%2F1/erase"


async def lived(door: Door) -> None:
    """Two persons' signals and feedback, a reset, a replay and a saved query that quotes the id."""
    for user in (ZOE, "bob"):
        body = {"user_id": user, "source": "steps", "values": {"steps": 5}}
        assert (await door.caller.post("/v1/signals", json=body)).status_code == 202
        for action in ("helpful", "done"):
            body = {"user_id": user, "action": action}
            assert (await door.caller.post("/v1/feedback", json=body)).status_code == 202
    assert (await door.admin.post("/api/admin/users/Zo%C3%AB%2F1/reset")).status_code == 202
    query = {"name": "hers", "sql": f"SELECT 1 WHERE user_id = '{ZOE}'"}
    assert (await door.admin.post("/api/admin/saved-queries", json=query)).status_code == 202
    for user in (ZOE, "bob"):
        order = {"user_id": user, "projections": ["sqlite"]}
        assert (await door.admin.post("/api/admin/replay-signal", json=order)).status_code == 202


async def test_a_dry_run_counts_what_would_go_and_touches_nothing(door: Door, bus: JetStreamBus) -> None:
    await lived(door)
    before = await bus.info()
    answer = await door.admin.post(PATH, json={"dry_run": True})
    assert answer.status_code == 200, answer.text
    plan = answer.json()
    assert plan["events"] == {"feedback": 2, "replays": 1, "resets": 1, "signals": 1}
    assert (plan["user_id"], plan["total"], plan["upto_seq"]) == (ZOE, 5, before.last_seq)
    assert plan["quoted"] == {"saved_queries": 1}
    assert await bus.info() == before


async def test_an_erasure_wants_the_id_typed_again_and_somebody_to_erase(door: Door, bus: JetStreamBus) -> None:
    await lived(door)
    before = await bus.info()
    for order in ({}, {"confirm": "Zoe/1"}):
        answer = await door.admin.post(PATH, json=order)
        assert answer.status_code == 422
        assert [one["field"] for one in answer.json()["errors"]] == ["confirm"]
    answer = await door.admin.post("/api/admin/users/nobody/erase", json={"confirm": "nobody"})
    assert answer.status_code == 404
    assert (await door.caller.post(PATH, json={"confirm": ZOE})).status_code in (401, 403)
    assert await bus.info() == before


async def test_an_erasure_is_a_signed_request_in_the_admins_name(door: Door, bus: JetStreamBus) -> None:
    await lived(door)
    answer = await door.admin.post(PATH, json={"confirm": ZOE, "reason": "she asked"})
    assert answer.status_code == 202, answer.text
    recorded = await bus.get(answer.json()["seq"])
    assert recorded is not None
    entry = (await open_decoder(bus)).decode(recorded)
    assert isinstance(entry, Entry)
    assert entry.event == UserErasureRequested(user_id=ZOE, reason="she asked")
    assert (entry.actor, entry.event_id) == ("admin", answer.json()["erasure_id"])
