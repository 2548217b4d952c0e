"""An evaluation over HTTP: begun by the first question, answered once it is done, refused in words."""

import gzip
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from services.bus.jetstream import JetStreamBus
from services.forking import server
from services.importing.obd import BUILT_IN, import_obd
from tests.api.callers import Door
from tests.processes import forks
from tests.waiting import until

PATH = "/api/admin/evaluation"


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the API had been forked, as that of `tipstream up` is: so is what it starts."""
    forks.start()
    monkeypatch.setattr(server, "own_control", forks.control)


async def done(door: Door, query: str) -> dict[str, Any]:
    """What is answered in the end."""
    found: dict[str, Any] = {}

    async def ended() -> bool:
        answer = await door.admin.get(f"{PATH}?{query}")
        assert answer.status_code in (200, 422), answer.text
        found.clear()
        found.update(answer.json(), code=answer.status_code)
        return bool(found.get("state", "done") == "done")

    await until(ended)
    return found


async def test_a_log_that_cannot_answer_says_why_and_is_asked_again_on_demand(door: Door) -> None:
    first = (await door.admin.get(f"{PATH}?policy=greedy&params=epsilon=0.2")).json()
    assert (first["state"] in ("waiting", "running"), first["report"], first["ended_at"]) == (True, None, None)
    kept = await done(door, "policy=greedy&params=epsilon=0.2")
    assert "0 decisions can be used" in kept["report"]["refusal"]
    assert "greedy with lambda 1, epsilon 0.2, gamma 1" in kept["report"]["taken_as"]
    again = await door.admin.get(f"{PATH}?policy=greedy&params=epsilon=0.2&again=true")
    assert again.json()["state"] in ("waiting", "running")


@pytest.mark.usefixtures("forked")
async def test_an_imported_policy_is_evaluated(door: Door, bus: JetStreamBus, tmp_path: Path) -> None:
    (tmp_path / "item_context_men.csv").write_bytes((BUILT_IN / "item_context_men.csv").read_bytes())
    for policy in ("random", "bts"):
        with gzip.open(BUILT_IN / policy / "men" / "men.csv.gz", "rt") as log:
            lines = list(islice(log, 1001))
        (tmp_path / policy).mkdir()
        (tmp_path / policy / "men.csv").write_text("".join(lines))
    await import_obd(bus, tmp_path)
    report = (await done(door, "policy=obd_bts&since=2019-11-01"))["report"]
    assert report["logged_by"] == {"obd_random": 1000}
    assert report["earned"]["decisions"] == 1000
    assert {answer["estimator"] for answer in report["answers"] if answer["estimate"]} >= {"IPS", "SNIPS", "DR"}


@pytest.mark.usefixtures("forked")
async def test_what_cannot_be_asked_names_its_field(door: Door) -> None:
    for query, field in (
        ("policy=linucb&params=beta=1", "params"), ("policy=linucb&params=alpha", "params"),
        ("policy=linucb&params=epsilon=nan", "params"), ("policy=linucb&days=0", "days"), ("days=7", "policy"),
    ):  # fmt: skip
        refused = await door.admin.get(f"{PATH}?{query}")
        assert (refused.status_code, refused.json()["field"]) == (422, field), query
    unknown = await done(door, "policy=nobody")
    assert (unknown["code"], unknown["field"]) == (422, "policy")
    assert "'nobody' is unknown: there are linucb" in unknown["detail"]
