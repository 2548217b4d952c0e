"""A tour: a model trained on the demo's log, in shadow and promoted, a policy from shadow to everybody, a bad one that
falls back by itself, the model rolled back; every step an event, in MLflow and in the console, and the log proves
itself."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.console.visitors import visitor
from tests.system.running import RunningSystem

MLFLOW = "/admin/models/api/2.0/mlflow"
LIMIT_S = 120.0
PEOPLE = [f"tourist-{number}" for number in range(50)]


@pytest.fixture
def system(browser: Browser, tmp_path: Path) -> Iterator[RunningSystem]:
    """A demo of its own, since policies change; its ladder has low steps."""
    running = RunningSystem(
        tmp_path / "home",
        "--demo",
        "--people",
        "30",
        "--days",
        "12",
        mlflow="on",
        shadow_decisions="40",
        shadow_days="1",
    )
    running.start()
    running.wait_folded()
    yield running
    running.close()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def asked(system: RunningSystem, path: str) -> Any:
    answer = system.admin.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ordered(system: RunningSystem, path: str, **body: Any) -> int:
    """Post a command; once it is folded its sequence."""
    answer = system.admin.post(path, json=body)
    assert answer.status_code == 202, answer.text
    seq: int = answer.json()["seq"]
    system.wait_folded()
    return seq


def change(system: RunningSystem, policy: str, action: str, **body: Any) -> None:
    ordered(system, "/api/admin/policies", policy=policy, action=action, **body)


def decide(system: RunningSystem, **reactions: str) -> set[str]:
    """A tip for everybody, who react by the policy that chose it; the policies that chose."""
    chose = set()
    for user_id in PEOPLE:
        answer = system.api.post("/v1/recommendations", json={"user_id": user_id})
        assert answer.status_code == 200, answer.text
        made = answer.json()
        chose.add(made["policy"])
        body = {"user_id": user_id, "decision_id": made["decision_id"], "action": reactions.get(made["policy"], "done")}
        assert system.api.post("/v1/feedback", json=body).status_code == 202
    return chose


def standing(system: RunningSystem) -> dict[str, str]:
    return {row["policy"]: row["standing"] for row in asked(system, "/api/admin/policies")}


def model_of_next_decision(system: RunningSystem) -> str:
    made = system.api.post("/v1/recommendations", json={"user_id": PEOPLE[0]}).json()
    system.wait_folded()
    [[version]] = system.sql(f"SELECT model_version FROM tip_scores WHERE decision_id = '{made['decision_id']}'")
    return str(version)


@pytest.mark.timeout(600)
def test_the_tour(browser: Browser, system: RunningSystem) -> None:
    change(system, "random", "disable", reason="the tour compares with linucb alone")

    trained = json.loads(system.run("train", "--young", "--json"))
    version = trained["model_version"]
    alias = asked(system, f"{MLFLOW}/registered-models/alias?name=prior&alias=shadow")
    assert f"prior/{alias['model_version']['version']}" == version
    card = asked(system, f"/api/admin/models/card?version={version}")
    assert trained["digest"] in json.dumps(card)
    assert model_of_next_decision(system) == "none"
    assert decide(system) == {"linucb"}
    until(lambda: asked(system, "/api/admin/models/shadows")[0]["decisions"] >= len(PEOPLE))
    system.wait_folded()
    along = f"SELECT DISTINCT policy FROM shadow_scores WHERE model_version = '{version}'"
    assert system.sql(along) == [["linucb"]]
    ordered(system, "/api/admin/models/promote", model_version=version, reason="the tour", force=True)
    assert model_of_next_decision(system) == version
    (shadow,) = asked(system, "/api/admin/models/shadows")
    assert (shadow["model_version"], shadow["ended"]) == (version, "promoted")
    alias = asked(system, f"{MLFLOW}/registered-models/alias?name=prior&alias=champion")
    assert f"prior/{alias['model_version']['version']}" == version

    change(system, "softmax", "shadow", params={"temperature": 0.05})
    refused = system.admin.post("/api/admin/policies", json={"policy": "softmax", "action": "promote"})
    assert refused.status_code == 409, refused.text
    assert decide(system) == {"linucb"}
    until(lambda: asked(system, "/api/admin/policies/shadows")[0]["decisions"] >= len(PEOPLE))
    (shadow,) = asked(system, "/api/admin/policies/shadows")
    assert shadow["ci_low"] <= shadow["estimate"] <= shadow["ci_high"]
    change(system, "softmax", "rollout", share=0.2)
    assert decide(system) == {"linucb", "softmax"}
    change(system, "softmax", "promote", reason="it is as good")
    assert decide(system) == {"softmax"}

    change(system, "epsilon_greedy", "promote", params={"epsilon": 1.0}, force=True, reason="an injected fault")
    for _ in range(3):
        decide(system, epsilon_greedy="not_helpful")
    until(lambda: standing(system)["epsilon_greedy"] == "disabled")
    assert standing(system)["softmax"] == "live"
    system.wait_folded()
    assert decide(system) == {"softmax"}

    ordered(system, "/api/admin/models/rollback", reason="the tour ends")
    assert model_of_next_decision(system) != version

    told = [(action["actor"], action["type"].split(".v")[0].removeprefix("tipstream.")) for action in reversed(
        asked(system, "/api/admin/actions?limit=100")
    )]  # fmt: skip
    steps = [
        ("system", "model.shadowed"), ("admin", "model.promoted"), ("admin", "policy.shadowed"),
        ("admin", "policy.enabled"), ("admin", "policy.promoted"), ("admin", "policy.promoted"),
        ("system", "policy.promoted"), ("admin", "model.promoted"),
    ]  # fmt: skip
    following = iter(told)
    assert all(step in following for step in steps), told

    with visitor(browser, system) as admin:
        admin.log_in()
        page = admin.open(f"/admin/models?version={version}")
        expect(page.get_by_role("row").filter(has_text=version).first).to_be_visible()
        expect(page.get_by_text("the tour ends")).to_be_visible()
        page = admin.open(f"/admin/quality?against={version}")
        expect(page.get_by_label("Against")).to_have_value(f"Training of {version}")
        trained_on = card["card"]["window"]["decisions"]
        page.get_by_role("button", name="Show Drift as a table").click()
        expect(page.locator('.q-table__container[aria-label="Drift"] tbody tr').first).to_contain_text(
            f"{trained_on:,}"
        )
        page = admin.open("/admin/ops")
        expect(page.get_by_text("guardrail, beside softmax").first).to_be_visible()
    report = system.verify()
    assert report["proven"], json.dumps(report, indent=1)
    assert report["scores"]["mismatched"] == 0
