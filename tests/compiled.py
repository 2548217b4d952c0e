"""Compile what tests run, once: on a fresh clone each worker, fork server and process would compile it for itself.

`python -m tests.compiled` imports what processes under test do and compiles the kernels; collecting imports the tests.
"""

from importlib import import_module

from ml.policies.registry import warm_up
from services.forking.server import PRELOADED
from tests.processes import SLOW_TO_IMPORT

if __name__ == "__main__":
    for module in (*PRELOADED, *SLOW_TO_IMPORT):
        import_module(module)
    warm_up()
