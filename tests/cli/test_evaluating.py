"""`tipstream evaluate`: an imported policy is evaluated, and what cannot be is told in words."""

import json

import pytest

from services.importing.obd import BUILT_IN
from tests.cli.conftest import Cli
from tests.cli.test_events import refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--policy", "nobody"], "policy 'nobody' is unknown: there are linucb, "),
        (["--policy", "linucb", "--params", "alpha"], "policy parameter 'alpha' must be a name and a number"),
        (["--policy", "linucb", "--params", "beta=1"], "policy parameter 'beta' is not one of linucb's"),
        (["--policy", "linucb", "--params", "epsilon=2"], "policy parameter 'epsilon' must be a number from 0 to 1"),
        (["--policy", "linucb", "--window", "month"], "--window 'month' must be a number of days such as 30d"),
        (["--policy", "linucb", "--window", "0d"], "--window '0d' must be a number of days"),
        (["--policy", "linucb", "--window", "2026-02-01..2026-01-01"], "--window '2026-02-01..2026-01-01' must be"),
    ],
)
def test_a_bad_option_is_told_in_words(cli: Cli, arguments: list[str], said: str) -> None:
    assert said in refused(cli("evaluate", *arguments))


def test_a_log_without_decisions_cannot_answer(cli: Cli) -> None:
    done = cli("evaluate", "--policy", "linucb")
    assert done.returncode == 1
    assert "NO ANSWER  0 decisions can be used and at least 100 are needed" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_an_imported_policy_is_evaluated_on_other_imported_decisions(cli: Cli) -> None:
    assert cli("import", str(BUILT_IN), "--format", "obd").returncode == 0
    done = cli("evaluate", "--policy", "obd_bts", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["taken_as"] == "obd_bts, taken as the frequencies of tip by position in its 10,000 imported decisions"
    # A click is `helpful`, 0.5: 69 of 10,000 under bts, 46 under random.
    assert (report["earned"]["value"], report["on_policy"]["value"]) == (0.00345, 0.0023)
    found = {answer["estimator"]: answer["estimate"] for answer in report["answers"]}
    # Worked out from the files alone: Σ w c / n and Σ w c / Σ w with c = click / 2.
    assert found["IPS"]["value"] == pytest.approx(0.005656266700835461 / 2)
    assert found["SNIPS"]["value"] == pytest.approx(0.005739864701951365 / 2)
    for name in ("SNIPS", "DR"):
        assert found[name]["low"] < report["earned"]["value"] < found[name]["high"]
