"""No process outlives the one that started it, whenever that one was killed."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import os, signal, sys
from services.orphans import end_with

signal.signal(signal.SIGTERM, lambda *_: None)
end_with({parent})
{then}
sys.exit("it goes on")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process that its parent is gone")
@pytest.mark.parametrize(
    ("parent", "then"),
    [("os.getpid()", ""), ("os.getppid()", "os.kill(os.getpid(), signal.SIGTERM)")],
    ids=["before it asks", "before it is another program"],
)
def test_it_ends_although_what_it_was_forked_from_has_a_handler(parent: str, then: str) -> None:
    """As a fork of `tipstream restore` has until it is nats-server; its own pid stands for a parent that is gone."""
    program = PROGRAM.format(parent=parent, then=then)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (-signal.SIGTERM, "")
