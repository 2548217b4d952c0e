"""The ground that all else stands on: layout, names, locks, imports, and documents that keep their word."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.settings import PREFIX, Settings
from services.supervisor.children import PROCESSES

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("contracts", "ml", "projections", "services", "console")
SOURCES = sorted(path for top in (*PACKAGES, "tests", "benchmarks") for path in (ROOT / top).rglob("*.py"))
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
LINE_LIMIT = 350
EMPTY_NAMES = frozenset({"util", "utils", "helper", "helpers", "manager", "managers", "common", "misc"})


def _tool(*command: str) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name(command[0])
    return subprocess.run([tool, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)


def _commands(markdown: str) -> list[str]:
    """The lines of the indented and fenced code blocks that call make."""
    return re.findall(r"^(?: {4})?(make [a-z]+)$", markdown, flags=re.MULTILINE)


def _compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return document


@pytest.mark.parametrize("name", PACKAGES)
def test_each_package_is_the_one_in_this_repository(name: str) -> None:
    found = importlib.import_module(name).__file__
    assert found is not None
    assert Path(found).resolve() == ROOT / name / "__init__.py"


def test_no_code_lives_in_an_init_file() -> None:
    assert [path for path in SOURCES if path.name == "__init__.py" and path.read_bytes()] == []


def test_every_module_says_what_it_is() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if path.name != "__init__.py" and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_a_long_module_gives_its_reason() -> None:
    unexplained = []
    for path in SOURCES:
        text = path.read_text()
        if len(text.splitlines()) > LINE_LIMIT:
            docstring = ast.get_docstring(ast.parse(text)) or ""
            if f"Longer than {LINE_LIMIT} lines because" not in " ".join(docstring.split()):
                unexplained.append(str(path.relative_to(ROOT)))
    assert unexplained == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    names = {path.relative_to(ROOT) for path in SOURCES}
    assert [name for name in names if EMPTY_NAMES & {*name.parent.parts, name.stem}] == []


def test_imports_keep_their_contracts() -> None:
    result = _tool("lint-imports", "--no-logo", "--no-cache")
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_readme_opens_with_run_and_test() -> None:
    assert _commands((ROOT / "README.md").read_text())[:2] == ["make run", "make test"]


def test_ci_calls_the_test_command_of_the_readme_last() -> None:
    script = ROOT / ".ci" / "run"
    lines = [line for line in script.read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "set -euo pipefail"
    assert lines[-1] == _commands((ROOT / "README.md").read_text())[1]
    assert script.stat().st_mode & 0o111


def test_each_setting_stands_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    documented = set(re.findall(rf"^\| `{PREFIX}([A-Z_]+)` \|", readme, re.MULTILINE))
    assert documented == {name.upper() for name in Settings.model_fields}


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_a_lock_has_versions_and_hashes_and_names_no_index(lock: Path) -> None:
    lines = lock.read_text().splitlines()
    pin = re.compile(r"[a-z0-9-]+==[\w.]+( ; [^\\]+)? \\")
    digest = re.compile(r" {4}--hash=sha256:[0-9a-f]{64}( \\)?")
    assert [line for line in lines if not pin.fullmatch(line) and not digest.fullmatch(line)] == []


def test_the_locks_agree() -> None:
    run, dev, bench = (
        set(re.findall(r"^\S+==\S+", (ROOT / "requirements" / f"{name}.txt").read_text(), re.MULTILINE))
        for name in ("run", "dev", "bench")
    )
    assert run < dev < bench


def test_no_lock_of_node_names_a_registry() -> None:
    found = [path for path in (ROOT / "tests").rglob("package-lock.json") if "node_modules" not in path.parts]
    assert [path for path in found if '"resolved"' in path.read_text()] == []


def test_compose_holds_to_the_compose_specification() -> None:
    result = _tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")
    assert result.returncode == 0, result.stdout + result.stderr


def test_compose_starts_each_process_with_settings_that_exist() -> None:
    services = _compose()["services"]
    assert set(services) == {"nats", *PROCESSES}
    services.pop("nats")
    known = {PREFIX + field.upper() for field in Settings.model_fields}
    for name, service in services.items():
        assert service["command"][:2] == ["tipstream", name]
        assert set(service["environment"]) <= known


def test_compose_sets_each_variable_of_the_server_configuration() -> None:
    environment = _compose()["services"]["nats"]["environment"]
    settings = re.sub(r"#.*", "", (ROOT / "nats.conf").read_text())
    assert set(re.findall(r"\$([A-Z_]+)", settings)) == set(environment)
