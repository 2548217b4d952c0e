"""One running system for a module of tests, and ways to look into its stores."""

from collections.abc import Iterator

import pytest

from tests.system.running import RunningSystem


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """Everything of `tipstream up`, healthy, without the demo."""
    running = RunningSystem(tmp_path_factory.mktemp("system") / "home")
    running.start()
    yield running
    running.stop()
