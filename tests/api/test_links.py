"""Links to the tips page: who makes them, whom they name, and until when."""

from services.accounts.visitors import DAY_S, Visitor, visitor_of_link
from tests.api.callers import Door


async def test_a_link_names_its_person_whatever_their_id_and_ends(door: Door) -> None:
    for encoded, user_id in (("ann", "ann"), ("a%2Fb%20%F0%9F%98%80", "a/b \U0001f600")):
        answer = await door.admin.post(f"/api/admin/users/{encoded}/link", json={"days": 2})
        assert answer.status_code == 200, answer.text
        made = answer.json()
        assert made["url"] == f"http://api{made['path']}"
        visitor = visitor_of_link(door.app.state.tickets, made["path"].removeprefix("/?link="))
        assert visitor is not None
        assert visitor.user_id == user_id
        assert visitor.until is not None
        assert visitor.may_stay(visitor.until - 1)
        assert not visitor.may_stay(visitor.until)


async def test_a_link_lasts_at_most_three_months_and_takes_more_than_looking(door: Door) -> None:
    too_long = await door.admin.post("/api/admin/users/ann/link", json={"days": 91})
    assert (too_long.status_code, too_long.json()["field"]) == (422, "days")
    accounts = door.app.state.accounts
    accounts.add("vera", "vera's password", "viewer")
    _, key = accounts.make_key("vera", "to look", ("view",))
    refused = await door.stranger.post("/api/admin/users/ann/link", headers={"Authorization": f"Bearer {key}"})
    assert refused.status_code == 403


async def test_a_changed_link_and_a_ticket_of_another_purpose_name_nobody(door: Door) -> None:
    tickets = door.app.state.tickets
    path = (await door.admin.post("/api/admin/users/ann/link")).json()["path"]
    token = path.removeprefix("/?link=")
    assert visitor_of_link(tickets, token) is not None
    assert visitor_of_link(tickets, ("A" if token[0] != "A" else "B") + token[1:]) is None
    assert visitor_of_link(tickets, Visitor("ann", DAY_S).issue(tickets, "visitor")) is None
