"""A producer in another language: Node's `nats` client sends only `{}` and the model has learned."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.system.running import RunningSystem

NODE = Path(__file__).with_name("node")

pytestmark = pytest.mark.skipif(shutil.which("node") is None or shutil.which("npm") is None, reason="node is not here")


@pytest.fixture(scope="module")
def producer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Node producer with its one dependency installed."""
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", "publish.mjs"):
        shutil.copy(NODE / name, folder)
    subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder, check=True, capture_output=True, timeout=110)
    return folder


def publish(system: RunningSystem, producer: Path, subject: str, body: str = "{}") -> int:
    done = subprocess.run(
        ["node", "publish.mjs", system.nats_url, subject, body],
        cwd=producer, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    return int(done.stdout)


def test_an_empty_body_from_node_is_a_pull_and_repeats_change_nothing(system: RunningSystem, producer: Path) -> None:
    user = "node-ann"
    decision = system.api.post("/v1/recommendations", json={"user_id": user, "context": {}}).json()
    before = system.scorer.get(f"/stats/{user}").json()
    seq = publish(system, producer, f"tips.feedback.helpful.{user}")
    after = system.scorer.get(f"/stats/{user}", params={"min_seq": seq}).json()
    assert after["pulls"] == before["pulls"] + 1
    assert after["cumulative_reward"] == before["cumulative_reward"] + 0.5

    seq = publish(system, producer, f"tips.feedback.helpful.{user}")
    again = system.scorer.get(f"/stats/{user}", params={"min_seq": seq}).json()
    assert {**again, "seq": 0} == {**after, "seq": 0}

    body = f'{{"decision_id": "{decision["decision_id"]}"}}'
    seq = publish(system, producer, f"tips.feedback.not_helpful.{user}", body)
    corrected = system.scorer.get(f"/stats/{user}", params={"min_seq": seq}).json()
    assert corrected["pulls"] == after["pulls"]
    assert corrected["cumulative_reward"] == -0.5
