"""One running system for all tests that do not end it; each uses people and policies of its own."""

from collections.abc import Iterator

import pytest

from tests.system.running import RunningSystem


@pytest.fixture(scope="package")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    """Everything of `tipstream up`, healthy, without the demo."""
    running = RunningSystem(tmp_path_factory.mktemp("system") / "home")
    running.start()
    yield running
    running.close()
