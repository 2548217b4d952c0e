"""An editor for SQL: highlighted, completing tables and columns, run by Mod-Enter."""

import json
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

from nicegui import ui

_ENHANCE = files("console.components").joinpath("sql_editor.js").read_text(encoding="utf-8").partition("\n")[2]


class SqlEditor:
    """The statement being written; `on_run` is called for Mod-Enter."""

    def __init__(self, value: str, on_run: Callable[[], Any], *, dark: bool | None) -> None:
        self.element = ui.codemirror(
            value,
            language="SQL",
            theme="vscodeDark" if dark else "vscodeLight",
            keymap={"Mod-Enter": on_run},
            line_wrapping=True,
            on_change=self._mend,
        )
        self.element.classes("sql-editor")
        self._dark = dark

    @property
    def value(self) -> str:
        """The text."""
        return self.element.value or ""

    @value.setter
    def value(self, text: str) -> None:
        self.element.value = text

    def enhance(self) -> None:
        """Add what NiceGUI's editor has no option for, once the browser is there."""
        self._run(f"({_ENHANCE})({self.element.id}, {json.dumps(self._dark)})")

    def complete(self, relations: Sequence[dict[str, Any]]) -> None:
        """Complete these tables and views from now on."""
        self._run(f"getElement({self.element.id}).relations = {json.dumps(relations)}")

    def insert(self, text: str) -> None:
        """Put text where the cursor is."""
        self._run(
            f"const editor = getElement({self.element.id}).editor;"
            f"editor.dispatch(editor.state.replaceSelection({json.dumps(text)})); editor.focus();"
        )

    def mark(self, position: int) -> None:
        """Mark the word at a position, in characters from 0."""
        rest = self.value[position:].split(maxsplit=1)
        end = min(position + max(len(rest[0]) if rest else 1, 1), len(self.value))
        if position < end:
            self.element.decorations = [{"kind": "mark", "from": position, "to": end, "class": "sql-wrong"}]
            self.element.reveal_line(self.value[:position].count("\n") + 1)

    def _run(self, code: str) -> None:
        # By the editor's own client: who calls may stand in no element, or in one that is gone.
        self.element.client.run_javascript(code)

    def _mend(self) -> None:
        if self.element.decorations:
            self.element.decorations = []
