"""`tipstream features`: definitions for people, programs and the docs; a Feast repository of the whole log."""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pytest

from ml.features.definitions import FEATURE_SETS
from services.cli import features
from tests.cli.conftest import Cli
from tests.cli.test_events import refused
from tests.servers import free_port

PAGE = Path(__file__).parents[2] / "docs" / "features.md"


def test_the_page_of_features_is_fresh(cli: Cli) -> None:
    said = cli("features", "list", "--markdown").stdout
    assert PAGE.read_text() == said, "run `tipstream features list --markdown > docs/features.md`"


def test_every_definition_is_listed_whole(cli: Cli) -> None:
    told = {one["name"]: one for one in json.loads(cli("features", "list", "--json").stdout)}
    assert set(told) == set(FEATURE_SETS)
    for name, feature_set in FEATURE_SETS.items():
        assert [one["name"] for one in told[name]["features"]] == list(feature_set.names)
        assert {one["name"] for one in told[name]["signals"]} == set(feature_set.signals)
        assert all(one["description"] and one["transform"] and one["dtype"] for one in told[name]["features"])
    [strain] = [one for one in told["wellbeing.v1"]["features"] if one["name"] == "strain_calm"]
    assert strain == {
        "name": "strain_calm",
        "sources": ["mood"],
        "signals": ["stress", "mood"],
        "dtype": "float64",
        "default": 0.0,
        "max_age_s": 43_200,
        "bounds": [-1.0, 1.0],
        "description": "stress against mood x category: rest and mind on a hard day",
        "transform": "(stress − mood) / 2 × is rest or mind",
    }


def test_people_read_a_table(cli: Cli) -> None:
    said = cli("features", "list").stdout
    assert "max(0, 1 − hours from 09:00 / 5) × (effort − 3) / 2" in said
    assert "steps walked in a day" in said


def test_json_and_markdown_exclude_each_other(cli: Cli) -> None:
    assert "--json and --markdown" in refused(cli("features", "list", "--json", "--markdown"))


@pytest.mark.skipif(find_spec("feast") is None, reason="Feast is not installed")
def test_the_log_is_exported_as_a_feast_repository(cli: Cli, tmp_path: Path) -> None:
    published = cli("publish", "tips.signal.steps.ann", json.dumps({"values": {"steps": 4000}}))
    assert published.returncode == 0, published.stderr
    done = cli("features", "export-feast", str(tmp_path / "repo"))
    assert done.returncode == 0, done.stderr
    files = {path.name for path in (tmp_path / "repo").iterdir()}
    assert files == {"feature_store.yaml", "definitions.py", "data"}
    steps = str(tmp_path / "repo" / "data" / "steps.parquet")
    rows = duckdb.execute("SELECT user_id, value, source FROM read_parquet(?) WHERE value IS NOT NULL", [steps])
    assert rows.fetchall() == [("ann", 4000.0, "steps")]


@pytest.mark.skipif(find_spec("feast") is None, reason="Feast is not installed")
def test_a_folder_that_cannot_be_made_is_named_before_the_log_is_folded(cli: Cli, tmp_path: Path) -> None:
    taken = tmp_path / "repo"
    taken.write_text("a file")
    said = refused(cli("features", "export-feast", str(taken)))
    assert f"{taken} cannot be written" in said


@pytest.mark.skipif(find_spec("feast") is None, reason="Feast is not installed")
def test_the_place_is_looked_at_before_the_log_and_without_a_server_nothing_is_left(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "CONNECT_S", 0.1)
    nowhere = f"nats://127.0.0.1:{free_port()}"
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "definitions.py").write_text("from feast import Entity")
    for place, said in (("own", "holds no Feast repository of ours"), ("new", "no NATS server")):
        assert said in refused(cli("features", "export-feast", str(tmp_path / place), NATS_URL=nowhere))
    assert [path.name for path in tmp_path.iterdir()] == ["own"]


def test_without_feast_the_command_says_how_to_install_it(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "feast", None)
    said = refused(cli("features", "export-feast", str(tmp_path / "repo")))
    assert "pip install 'tipstream[pipelines]'" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "repo").exists()
