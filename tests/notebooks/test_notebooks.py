"""The notebooks hold no outputs in git, and run top to bottom on a running demo through remote SQL."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from services.settings import PREFIX
from tests.system.running import RunningSystem

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "ml" / "notebooks").glob("*.ipynb"))
CELL_S = 60


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """A small demo, folded."""
    running = RunningSystem(tmp_path_factory.mktemp("notebooks") / "home", "--demo", "--people", "10", "--days", "8")
    running.start()
    running.wait_folded()
    yield running
    running.close()


@pytest.fixture(scope="module")
def key(demo: RunningSystem) -> str:
    """The key of an analyst."""
    account = {"name": "ada", "password": "long enough a word", "role": "analyst"}
    assert demo.admin.post("/api/admin/accounts", json=account).is_success
    made = demo.admin.post("/api/admin/keys", json={"label": "notebook", "name": "ada", "scopes": ["sql"]})
    assert made.is_success, made.text
    return str(made.json()["token"])


def read(path: Path) -> nbformat.NotebookNode:
    """A notebook as it stands in git."""
    notebook: nbformat.NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    return notebook


def test_there_are_two() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["comparing_estimators", "exploring_rewards"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_stripped(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell for cell in code if cell.outputs or cell.execution_count is not None or cell.metadata] == []
    assert re.search(r"[0-9a-f]{32}", path.read_text()) is None


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_from_top_to_bottom(path: Path, demo: RunningSystem, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}QUACK_PORT", str(demo.ports["QUACK_PORT"]))
    monkeypatch.setenv(f"{PREFIX}SQL_KEY", key)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", ""))))
    notebook = read(path)
    NotebookClient(notebook, timeout=CELL_S, kernel_name="python3").execute()
    results = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum(output.output_type == "execute_result" for output in results) >= 2
    assert [output for output in results if output.output_type == "error"] == []
