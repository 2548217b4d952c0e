"""The way in: a command that is ended while it is still being imported."""

import signal
import subprocess
import sys

import pytest

WHILE_IMPORTING = """
import os, signal, sys
from importlib.abc import MetaPathFinder

class Finder(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "services.cli.app":
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.{handler})
sys.meta_path.insert(0, Finder())
sys.argv = ["tipstream", "--help"]
from services.cli.__main__ import main
main()
"""


@pytest.mark.parametrize(("handler", "status"), [("default_int_handler", -signal.SIGINT), ("SIG_IGN", 0)])
def test_ctrl_c_while_it_is_imported_ends_it_without_a_traceback(handler: str, status: int) -> None:
    command = [sys.executable, "-c", WHILE_IMPORTING.format(handler=handler)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (status, "")
