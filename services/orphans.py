"""No process is left behind: one that ends when the process that started it is gone."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Have this process ended by SIGTERM when `parent`, which started it, is gone, however it went (Linux)."""
    if sys.platform == "linux":
        # A handler of the process it was forked from would swallow it, and be gone with the next program.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it went before it could be asked for
            os.kill(os.getpid(), signal.SIGTERM)
