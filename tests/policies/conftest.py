"""Compiles the kernels once, so that no test's time holds the compiler's."""

import pytest

from ml.policies import kernel


@pytest.fixture(scope="session", autouse=True)
def warm_kernels() -> None:
    kernel.warm_up()
