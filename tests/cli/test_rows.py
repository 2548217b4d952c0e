"""An answer is shown whole, whatever the width of what it is printed on."""

import io
import re
from collections.abc import Sequence

import pytest
from rich.console import Console

from services.cli.rows import show_rows

COLUMNS = ["decision_id", "context"]
ROWS: list[list[object]] = [["d" * 32, '{"now": "2026-01-01T00:00:00Z"}'], ["[/b]", None]]


def printed(
    *, width: int, terminal: bool, columns: Sequence[str] = COLUMNS, rows: Sequence[Sequence[object]] = ROWS
) -> str:
    file = io.StringIO()
    show_rows(Console(file=file, width=width, force_terminal=terminal, no_color=True), columns, rows)
    return file.getvalue()


def test_a_wide_terminal_shows_a_table() -> None:
    lines = printed(width=120, terminal=True).splitlines()
    assert any("d" * 32 in line and '"now"' in line for line in lines)


def test_a_narrow_terminal_shows_one_column_a_line() -> None:
    text = printed(width=40, terminal=True)
    assert '{"now": "2026-01-01T00:00:00Z"}' in text
    assert "decision_id  [/b]" in text
    assert text.count("-- row") == 2


def test_what_is_no_terminal_gets_every_value_whole() -> None:
    lines = printed(width=40, terminal=False).splitlines()
    assert any("d" * 32 in line and '"now"' in line for line in lines)


def test_no_rows_are_no_fault() -> None:
    file = io.StringIO()
    show_rows(Console(file=file, width=3, force_terminal=True), ["a_long_name"], [])
    show_rows(Console(file=file, width=80), ["a_long_name"], [])
    assert "a_long_name" in file.getvalue()


@pytest.mark.parametrize(("width", "terminal"), [(200, True), (20, True), (200, False)])
def test_no_value_drives_the_terminal(width: int, terminal: bool) -> None:
    driving = "\x1b[31mred\r\x07\x7f\x9b2J\u202eabc\u2066"
    text = printed(width=width, terminal=terminal, columns=["\x1b]0;name"], rows=[[driving], ["two\nlines\tof"]])
    # What is left are the styles of the table itself.
    text = re.sub(r"\x1b\[[\d;]*m", "", text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert r"\u001b[31mred\u000d\u0007\u007f\u009b2J\u202eabc\u2066" in text
    assert r"\u001b]0;name" in text
    assert re.search(r"two\s*\S?\n\W*lines\s+of", text)
