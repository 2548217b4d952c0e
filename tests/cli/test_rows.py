"""An answer is shown whole, whatever the width of what it is printed on."""

import io

from rich.console import Console

from services.cli.rows import show_rows

COLUMNS = ["decision_id", "context"]
ROWS: list[list[object]] = [["d" * 32, '{"now": "2026-01-01T00:00:00Z"}'], ["[/b]", None]]


def printed(*, width: int, terminal: bool) -> str:
    file = io.StringIO()
    show_rows(Console(file=file, width=width, force_terminal=terminal, no_color=True), COLUMNS, ROWS)
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
