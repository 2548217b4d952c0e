"""The table of roles in the documentation is the one in the code."""

from pathlib import Path

from services.accounts.roles import ALLOWS, PERMISSIONS, ROLES, roles_markdown

DOCS = Path(__file__).parents[2] / "docs"


def test_the_documented_table_of_roles_is_the_one_in_force() -> None:
    assert roles_markdown() in (DOCS / "operations.md").read_text(), f"paste this:\n{roles_markdown()}"


def test_every_permission_is_in_the_table_and_each_role_has_its_marks() -> None:
    assert tuple(ALLOWS) == PERMISSIONS
    header, _, *lines = roles_markdown().splitlines()
    assert header.split(" | ")[2:] == [*list(ROLES)[:-1], "admin |"]
    assert [line.count("yes") for line in lines] == [4, 3, 2, 1]
