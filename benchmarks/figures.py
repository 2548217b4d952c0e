"""What a benchmark found: rows of figures under a title, shown as a table and kept as JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).with_name("results")

Cell = str | float | int | None


@dataclass(slots=True)
class Figures:
    """A table: the first column names what was measured; `notes` say what was skipped or how to read it."""

    name: str
    title: str
    columns: Sequence[str]
    rows: list[list[Cell]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: Cell) -> None:
        """Append a row."""
        self.rows.append(list(cells))

    def skip(self, peer: str, reason: str) -> None:
        """Say loudly that something is not compared."""
        self.notes.append(f"SKIPPED {peer}: {reason}")

    def show(self, console: Console) -> None:
        """Print the table."""
        table = Table(title=self.title, title_justify="left", title_style="bold")
        for place, column in enumerate(self.columns):
            table.add_column(column, justify="left" if place == 0 else "right")
        for row in self.rows:
            table.add_row(*(_text(cell) for cell in row))
        console.print(table)
        for note in self.notes:
            style = "bold red" if note.startswith(("SKIPPED", "MISSED")) else "dim"
            console.print(f"  {note}", style=style, highlight=False)

    def save(self) -> Path:
        """Write RESULTS/<name>.json."""
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}.json"
        path.write_bytes(orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2))
        return path


def _text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, str):
        return cell
    if cell >= 1000:
        return f"{cell:,.0f}"
    return f"{cell:.3g}" if cell < 100 else f"{cell:.0f}"


def times(number: float) -> str:
    """A ratio as text: 0.83x, 12x."""
    return f"{number:.2f}x" if number < 10 else f"{number:,.0f}x"
