"""An empty stream for each test of the folds."""

import pytest

from tests.folds.log import Log


@pytest.fixture
def log() -> Log:
    """A stream without events that starts at 2026-03-01T08:00:00Z."""
    return Log()
