"""What an admin action was about, in the words of who did it."""

import pytest

from console.operations.actions import COLUMNS
from contracts.subjects import encode_id

ABOUT = next(column.show for column in COLUMNS if column.name == "subject")


@pytest.mark.parametrize("model", ["prior/1", "linucb", "a b.c", "🌱"])
def test_an_id_stands_as_it_was_given(model: str) -> None:
    assert ABOUT is not None
    assert ABOUT(f"tips.admin.model.shadowed.{encode_id(model)}") == f"admin.model.shadowed.{model}"


def test_a_subject_that_is_none_of_ours_stands_as_it_is() -> None:
    assert ABOUT is not None
    assert ABOUT("tips.admin.odd.~!") == "admin.odd.~!"
