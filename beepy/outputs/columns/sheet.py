"""The rows of one map on a terminal, in a layout that grows with their values."""

from collections.abc import Callable, Sequence
from typing import Final

from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.outputs.columns.cells import cells_of
from beepy.outputs.columns.grid import EMPTY_VALUES, Heading, format_row, headings_of
from beepy.outputs.columns.layout import LONG_TEXT, Column, ColumnLayout, Rank, fit
from beepy.outputs.columns.text_columns import TextColumn, join_rows, shared_column, text_column
from beepy.outputs.columns.times import WIDTH, RowTimes
from beepy.width import width

_STEP: Final = 4  # widths of texts grow in steps, as each growth repeats the headings
_USUAL_WIDTH: Final = 16  # width that a column gets in advance, if its type's values may need it
_NOTICEABLE: Final = 8  # columns more for the last text for which headings are repeated
_NUMBER: Final = 5  # width of a number at least
_PID: Final = 7  # ... and of a process's id
_PID_NAMES: Final = frozenset(("pid", "tid", "tgid", "ppid"))


class Sheet:
    """The rows of one map, in a layout that grows with their values.

    ``name`` is the map's, shown in each row, or "" if there is only one. ``map_width`` is the width
    of the column of maps' names, 0 for none. Positions count all columns: the map, the time, then
    the fields from ``_first`` on. ``chosen`` are the positions that may be shown, in their order
    (None: all), ``kept`` those that are never hidden.
    """

    def __init__(self, decoder: Decoder, name: str, map_width: int) -> None:
        self.decoder = decoder
        self.name = name if map_width else ""
        self._times = RowTimes(decoder)
        cell_of = cells_of(decoder)
        shown_fields = tuple(cell_of)
        self._cells = tuple(cell_of.values())
        converters = {
            field: None if cell.plain or cell.texts else cell.raw for field, cell in cell_of.items()
        }
        self._view = decoder.view(shown_fields, converters.__getitem__, absent="")
        headings = [Heading("time", right=False, rank=Rank.KEPT, min_width=WIDTH)]
        if map_width:
            headings.insert(0, Heading(name, right=False, rank=Rank.KEPT, min_width=map_width))
        self._first = len(headings)
        self.headings = (*headings, *headings_of(self._cells))
        self._wanted = [max(width(heading.name), heading.min_width) for heading in self.headings]
        for position, cell in enumerate(self._cells, self._first):
            if cell.right:
                min_width = min(cell.width, _PID if cell.name in _PID_NAMES else _NUMBER)
                self._wanted[position] = max(self._wanted[position], min_width)
        self._has_values = [not self._cells] * len(self.headings)  # others than EMPTY_VALUES
        self._has_rows = False
        self._repeated: set[int] = set()
        if self._times.field in cell_of:
            self._repeated.add(shown_fields.index(self._times.field) + self._first)
        # A tid is shown once it differs from the pid: these are the positions among the fields.
        index_of = {cell.name: index for index, cell in enumerate(self._cells)}
        self._pid_and_tid: tuple[int, int] | None = None
        self.chosen: tuple[int, ...] | None = None
        self.kept: frozenset[int] = frozenset()
        if "pid" in index_of and "tid" in index_of:
            self._pid_and_tid = index_of["pid"], index_of["tid"]
            self._repeated.add(index_of["tid"] + self._first)
        self.layout = ColumnLayout((), (), ())
        self.headings_line = ""
        self._fitted_for: object = None  # the arguments that the layout was made for

    def read(self, batch: Batch, max_width: int | None) -> list[TextColumn]:
        """Return the columns of a batch; the next layout has room for their values."""
        value_columns, absent = self._view.columns(batch), self._view.absent(batch)
        columns = []
        for index, (cell, values) in enumerate(zip(self._cells, value_columns, strict=True)):
            position = index + self._first
            column = shared_column("") if index in absent else text_column(cell, values, max_width)
            columns.append(column)
            self._wanted[position] = max(self._wanted[position], column.widest)
            if not self._has_values[position]:
                self._has_values[position] = not EMPTY_VALUES.issuperset(column.values)
        if self._pid_and_tid:
            pid, tid = self._pid_and_tid
            if value_columns[pid] != value_columns[tid]:
                self._repeated.discard(tid + self._first)
        self._has_rows = self._has_rows or batch.records > 0
        time = self._times.common(batch)
        if time is None:
            columns.insert(0, TextColumn(self._times.texts(batch), WIDTH))
        else:
            columns.insert(0, shared_column(time))
        if self.name:
            columns.insert(0, shared_column(self.name))
        return columns

    def lines(
        self, columns: Sequence[TextColumn], records: int, max_width: int | None
    ) -> list[str]:
        """Return the line of each row of a batch that was read, in the present layout."""
        right = [heading.right for heading in self.headings]
        return join_rows(columns, right, self.layout, records, max_width)

    def fit(self, max_width: int | None) -> bool:
        """Make a new layout for the values so far; return whether the headings changed."""
        arguments = (
            max_width,
            tuple(self._wanted),
            tuple(self._has_values),
            frozenset(self._repeated),
            self._has_rows,
            self.chosen,
            self.kept,
        )
        if arguments == self._fitted_for:
            return False
        self._fitted_for, before = arguments, self.layout
        # The more room values have to grow, the less often the headings are repeated; but no column
        # is hidden, and the last text not cut noticeably, to give it to them.
        layouts = [
            self._fit(widths, max_width)
            for widths in (self._usual_width, self._rounded_width, self._wanted.__getitem__)
        ]
        self.layout = min(
            layouts,
            key=lambda layout: (len(layout.hidden), self._lacking(layout) // _NOTICEABLE),
        )
        names = [heading.name for heading in self.headings]
        self.headings_line = format_row(names, self.headings, self.layout, max_width)
        return self._visible(self.layout) != self._visible(before)

    def _fit(self, width_of: Callable[[int], int], max_width: int | None) -> ColumnLayout:
        positions = self._positions
        columns = [
            self._column(position, self._bounded(position, width_of(position), max_width))
            for position in positions
        ]
        layout = fit(columns, max_width)
        return layout._replace(shown=tuple([positions[index] for index in layout.shown]))

    @property
    def _positions(self) -> Sequence[int]:
        return range(len(self.headings)) if self.chosen is None else self.chosen

    def _visible(self, layout: ColumnLayout) -> ColumnLayout:
        """Return what the headings show of a layout: not the width of a text at the end."""
        if layout.shown and not self.headings[layout.shown[-1]].right:
            return layout._replace(widths=layout.widths[:-1])
        return layout

    def _column(self, position: int, wanted: int) -> Column:
        heading = self.headings[position]
        rank = heading.rank
        is_empty = self._has_rows and position >= self._first and not self._has_values[position]
        if position in self.kept:
            rank = Rank.KEPT
        elif position in self._repeated:
            rank = Rank.REPEATED
        elif is_empty and rank is not Rank.KEPT:
            rank = Rank.EMPTY
        return Column(heading.name, heading.right, wanted, rank)

    def _lacking(self, layout: ColumnLayout) -> int:
        """Return how many columns narrower than it should be a text at the end is."""
        last = self._positions[-1]
        if self.headings[last].right or layout.shown[-1:] != (last,):
            return 0
        wanted = self._bounded(last, self._wanted[last], 0)
        return max(min(wanted, LONG_TEXT) - layout.widths[-1], 0)

    def _bounded(self, position: int, wanted: int, max_width: int | None) -> int:
        """Return the width that a column may have.

        Without ``max_width`` nothing is cut, and a value wider than usual moves only the rest of
        its own row.
        """
        if position < self._first:
            return wanted
        cell = self._cells[position - self._first]
        bound = cell.width if max_width is None else cell.bound
        if bound is None:
            return wanted
        return min(wanted, max(bound, width(self.headings[position].name)))

    def _usual_width(self, position: int) -> int:
        """Return the width that values of the type usually take at most."""
        if position < self._first or position == len(self.headings) - 1:
            return self._wanted[position]
        cell = self._cells[position - self._first]
        return max(self._wanted[position], min(cell.width, _USUAL_WIDTH))

    def _rounded_width(self, position: int) -> int:
        """Return the width so far, of a text rounded up."""
        wanted = self._wanted[position]
        is_last = position == len(self.headings) - 1
        if position < self._first or self.headings[position].right or is_last:
            return wanted
        rounded = -(-wanted // _STEP) * _STEP
        return max(min(rounded, self._cells[position - self._first].width), wanted)
