"""Tables of rows: dense, sortable, paged in the browser, cells that link; a row is chosen by click or Enter."""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nicegui import ui
from nicegui.events import GenericEventArguments

from console.components.panel import icon_button
from console.moments import measured

Row = Mapping[str, Any]
Kind = Literal["text", "number", "id", "time", "chip", "action"]

# A cell is text, a link (its address stands in the row under `<column>:href`), a coloured word (`<column>:tone`) or a
# button, named after the row's first cell too.
_BODY = """
<q-tr :props="props" CHOOSE>
  <q-td v-for="col in props.cols" :key="col.name" :props="props" :class="'kind-' + col.kind"
        :title="col.kind == 'text' || col.kind == 'id' ? col.value : undefined">
    <a v-if="props.row[col.name + ':href']" :href="props.row[col.name + ':href']" @click.stop>{{ col.value }}</a>
    <span v-else-if="col.kind == 'chip' && col.value"
          :class="'chip tone-' + (props.row[col.name + ':tone'] || '')">{{ col.value }}</span>
    <q-btn v-else-if="col.kind == 'action' && props.row[col.name]" outline dense no-caps :label="props.row[col.name]"
           :aria-label="props.row[col.name] + ' ' + props.row[props.cols[0].name]"
           @click.stop="$parent.$emit('act', [props.row[':at'], col.name])" @keydown.enter.stop></q-btn>
    <template v-else>{{ col.value }}</template>
  </q-td>
</q-tr>
"""
_CHOOSE = """
  :class="'clickable' + (props.row[':chosen'] ? ' chosen' : '')" tabindex="0"
  @click="$parent.$emit('choose', props.row[':at'])" @keydown.enter.self="$parent.$emit('choose', props.row[':at'])"
"""


# A heading that sorts is a stop for the keyboard too, which also lets a wide table be scrolled by it.
_HEADING = """
<q-th :props="props" :tabindex="props.col.sortable ? 0 : undefined" :aria-sort="SORTED"
      @keydown.enter="props.sort(props.col)">
  {{ props.col.label }}
</q-th>
"""


# Only the classes of a heading tell how it is sorted.
_SORTED = """
!props.col.sortable ? undefined : !/\\bsorted\\b/.test(props.col.__thClass) ? 'none' :
/\\bsort-desc\\b/.test(props.col.__thClass) ? 'descending' : 'ascending'
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the row's field `name`, its heading, and what its cells show, link to and are coloured by."""

    name: str
    label: str
    kind: Kind = "text"
    show: Callable[[Any], str] | None = None
    link: Callable[[Row], str | None] | None = None
    tone: Callable[[Row], str] | None = None
    sortable: bool = True


class Table:
    """A table named `label` for screen readers; `on_choose` gets the row that was clicked or had Enter pressed,
    `on_act` the row and the name of the column whose button was pressed (its label is the cell's value). Without rows
    it says `nothing`.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        rows: Sequence[Row],
        *,
        label: str,
        on_choose: Callable[[Row], Any] | None = None,
        on_act: Callable[[Row, str], Any] | None = None,
        page_size: int = 25,
        height: str = "",
        nothing: str = "Nothing yet.",
    ) -> None:
        self._columns = columns
        self._rows: Sequence[Row] = ()
        self.element = ui.table(
            columns=[_heading(column) for column in columns], rows=[], row_key=":at", pagination=page_size or None
        )
        self.element.props("flat dense :rows-per-page-options=[10,25,50,100,0]").classes("w-full")
        self.element.props["aria-label"] = label
        if height:
            self.element.style(f"max-height: {height}")
        self.element.props["no-data-label"] = nothing
        self.element.add_slot("no-data", "<span>{{ props.message }}</span>")
        self.element.add_slot("header-cell", _HEADING.replace("SORTED", _SORTED))
        self.element.add_slot("body", _BODY.replace("CHOOSE", _CHOOSE if on_choose else ""))
        if on_choose is not None:
            chosen = on_choose

            def choose(event: GenericEventArguments) -> Any:
                return chosen(self._rows[int(event.args)])

            self.element.on("choose", choose)
        if on_act is not None:
            acted = on_act

            def act(event: GenericEventArguments) -> Any:
                at, name = event.args
                return acted(self._rows[int(at)], name)

            self.element.on("act", act)
        self.show(rows)

    def show(self, rows: Sequence[Row], *, chosen: Callable[[Row], bool] = lambda _: False) -> None:
        """Replace the rows; those that are `chosen` are marked."""
        self._rows = rows
        self.element.rows = [
            _cells(self._columns, row) | {":at": at, ":chosen": chosen(row)} for at, row in enumerate(rows)
        ]
        # One page needs no pager.
        paged = len(rows) > (self.element.pagination or {}).get("rowsPerPage", 0) > 0
        self.element.props["hide-pagination"] = not paged
        self.element.props["hide-bottom"] = not paged and bool(rows)


def as_csv(columns: Sequence[Column], rows: Sequence[Row]) -> str:
    """The rows as CSV (RFC 4180), the values as they are."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([column.name for column in columns])
    writer.writerows([row.get(column.name) for column in columns] for row in rows)
    return text.getvalue()


def csv_button(title: str, columns: Sequence[Column], rows: Callable[[], Sequence[Row]]) -> ui.button:
    """A button that has the browser save what `rows` gives then, under a name made of the title."""
    name = "-".join(title.lower().split()) + ".csv"

    def save() -> None:
        ui.download.content(as_csv(columns, rows()), name, "text/csv")

    return icon_button("download", f"Download {title} as CSV", save)


def _heading(column: Column) -> dict[str, Any]:
    return {
        "name": column.name, "label": column.label, "field": column.name, "sortable": column.sortable,
        "kind": column.kind, "align": "right" if column.kind == "number" else "left",
    }  # fmt: skip


def _cells(columns: Sequence[Column], row: Row) -> dict[str, Any]:
    cells: dict[str, Any] = {}
    for column in columns:
        value = row.get(column.name)
        if column.kind == "action":
            cells[column.name] = value or ""
            continue
        cells[column.name] = column.show(value) if column.show and value is not None else _plain(value)
        if column.link and (target := column.link(row)):
            cells[f"{column.name}:href"] = target
        if column.tone:
            cells[f"{column.name}:tone"] = column.tone(row)
    return cells


def _plain(value: Any) -> Any:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return measured(value)
    return value if isinstance(value, int | str) else str(value)
