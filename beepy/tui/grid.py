"""The columns of one map's table, and the texts of the rows that are visible."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from beepy.events import meaning
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.outputs.columns.cells import cells_of
from beepy.outputs.columns.layout import ColumnLayout
from beepy.outputs.columns.sheet import Sheet
from beepy.width import pad, truncate

_RESULTS: Final = ("result", "errno")  # meanings of numbers that are negative for a failure
TIME: Final = 0  # the position of the row's own time; the fields follow


class Column(NamedTuple):
    """A column that is shown: its place on the line, and the position of its field."""

    position: int
    name: str
    start: int
    width: int
    right: bool


class Grid:
    """Chooses columns and widths, which grow with the values seen; makes the texts of rows.

    Positions are those of the columns of a run, which hiding and moving do not change.
    """

    def __init__(self, decoder: Decoder, *, has_time: bool) -> None:
        self._sheet = Sheet(decoder, "", 0)
        cells = cells_of(decoder)
        self.fields: tuple[Field | None, ...] = (None, *cells)
        self.names = tuple([heading.name for heading in self._sheet.headings])
        positions = range(len(self.names))
        self.order = [position for position in positions if has_time or position != TIME]
        self._hidden: set[int] = set()
        self._kept: set[int] = set()  # what was asked for
        self._texts = decoder.view(tuple(cells), lambda field: cells[field].text, absent="")
        meanings = {} if decoder.plain else meaning.of(decoder.fields, decoder.schema.clock)
        self._results = {
            position
            for position, field in enumerate(self.fields)
            if field in meanings and meanings[field].name in _RESULTS
        }
        self.columns: list[Column] = []
        self.left_out: tuple[str, ...] = ()

    def first_column(self) -> int:
        """Return the column that is chosen at the beginning: a name rather than a time."""
        return next((at for at, name in enumerate(self.names) if name == "comm"), self.order[-1])

    def is_shown(self, position: int) -> bool:
        """Return whether a column is on the screen."""
        return any(column.position == position for column in self.columns)

    def has_failed(self, position: int, text: str) -> bool:
        """Return whether the text of a cell says that something failed."""
        return position in self._results and text.lstrip().startswith("-")

    def hide(self, position: int) -> None:
        """Hide a column, but not the last one."""
        if len(self._chosen()) > 1:
            self._hidden.add(position)
            self._kept.discard(position)

    def show(self, position: int) -> None:
        """Show a column that was hidden, or that there was no room for."""
        self._hidden.discard(position)
        self._kept.add(position)

    def show_all(self) -> None:
        """Show the columns as they were at the beginning."""
        self.order.sort()
        self._hidden.clear()
        self._kept.clear()

    def move(self, position: int, step: int) -> None:
        """Move a column to the left (-1) or to the right (1), beyond one that is shown."""
        shown = [column.position for column in self.columns]
        if position not in shown:
            shown = self.order
        other = shown.index(position) + step
        if 0 <= other < len(shown):
            place = self.order.index(shown[other])
            self.order.remove(position)
            self.order.insert(place, position)

    def _chosen(self) -> list[int]:
        return [position for position in self.order if position not in self._hidden]

    def texts(self, batches: Iterable[Batch], max_width: int) -> list[list[str]]:
        """Return the rows' texts, each padded to its column; ``columns`` are those of now."""
        sheet = self._sheet
        sheet.chosen, sheet.kept = tuple(self._chosen()), frozenset(self._kept)
        read = [(sheet.read(batch, max_width), batch.records) for batch in batches]
        sheet.fit(max_width)
        self._lay_out(sheet.layout)
        rows: list[list[str]] = []
        for text_columns, records in read:
            cells = []
            for column in self.columns:
                values, *_, is_path = text_columns[column.position]
                texts = _fitted(map(str, values), column, start=is_path)
                cells.append(texts * (records if text_columns[column.position].shared else 1))
            rows += map(list, zip(*cells, strict=True))
        return rows

    def searched(self, batch: Batch) -> list[str]:
        """Return the text of each row that is searched: its fields, hidden ones too."""
        columns = self._texts.columns(batch)
        return ["\t".join(row) for row in zip(*columns, strict=True)]

    def headings(self) -> list[str]:
        """Return the names of the columns, each padded to its column."""
        return [
            pad(truncate(column.name, column.width), column.width, right=column.right)
            for column in self.columns
        ]

    def _lay_out(self, layout: ColumnLayout) -> None:
        self.left_out = layout.hidden
        self.columns, start = [], 0
        for position, columns in zip(layout.shown, layout.widths, strict=True):
            heading = self._sheet.headings[position]
            self.columns.append(Column(position, heading.name, start, columns, heading.right))
            start += columns + 1


def _fitted(texts: Iterable[str], column: Column, *, start: bool) -> list[str]:
    """Return texts padded and cut to a column; ``start``: cut at their beginning."""
    columns, right = column.width, column.right
    fitted = []
    for text in texts:
        if text.isascii() and len(text) <= columns:
            fitted.append(text.rjust(columns) if right else text.ljust(columns))
        else:
            fitted.append(pad(truncate(text, columns, start=start), columns, right=right))
    return fitted
