"""One training runs at a time, and one that was killed holds up nobody."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ml.pipelines.claim import AnotherTraining, claimed

HOLDS = """
import sys, time
from pathlib import Path
from ml.pipelines.claim import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_training_is_refused_until_the_first_is_done(tmp_path: Path) -> None:
    folder = tmp_path / "pipelines"
    with claimed(folder):
        with pytest.raises(AnotherTraining, match=rf"another training runs \(pid {os.getpid()}\)"), claimed(folder):
            pass
        # A refusal takes nothing away from whoever holds it.
        with pytest.raises(AnotherTraining, match=rf"\(pid {os.getpid()}\)"), claimed(folder):
            pass
    with claimed(folder):
        pass


def test_a_training_that_was_killed_holds_up_nobody(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE, text=True) as held:
        assert held.stdout is not None
        assert held.stdout.readline() == "held\n"
        with pytest.raises(AnotherTraining, match=rf"\(pid {held.pid}\)"), claimed(tmp_path):
            pass
        held.kill()
        held.wait()
        with claimed(tmp_path):
            pass
