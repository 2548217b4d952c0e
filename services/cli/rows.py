"""How the answer to a statement is shown to people: a table, or one column a line where that would not fit."""

from collections.abc import Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from services.cli.output import visible


def show_rows(console: Console, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows, every value whole: as a table if the console is wide enough (what is no terminal always is)."""
    # As text: a value such as "[/b]" is no markup.
    shown = [[Text("" if value is None else visible(str(value))) for value in row] for row in rows]
    names = [visible(name) for name in columns]
    table = Table(*(Column(Text(name)) for name in names))
    for row in shown:
        table.add_row(*row)
    width = Measurement.get(console, console.options.update(width=1_000_000), table).maximum
    if not console.is_terminal:
        Console(file=console.file, width=max(width, 1)).print(table)
    elif width <= console.width:
        console.print(table)
    else:
        _show_records(console, names, shown)


def _show_records(console: Console, columns: Sequence[str], rows: Sequence[Sequence[Text]]) -> None:
    widest = max((len(name) for name in columns), default=0)
    for number, row in enumerate(rows, 1):
        console.print(f"-- row {number}", style="bold", markup=False, highlight=False)
        for name, value in zip(columns, row, strict=True):
            console.print(Text(f"{name:<{widest}}  ") + value, soft_wrap=True)
