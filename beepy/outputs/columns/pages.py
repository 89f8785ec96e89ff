"""Rows that fit a width, under heads that come again each screenful."""

import math
from collections.abc import Mapping
from typing import Final

from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.outputs.columns.cells import cells, width
from beepy.outputs.columns.grid import Head, heads_of, hidden_line, line, tells
from beepy.outputs.columns.layout import MUCH, Column, Layout, Rank, fit
from beepy.outputs.columns.terminal import Size
from beepy.outputs.columns.times import WIDTH, Times

_STEP: Final = 4  # widths of texts grow by so many at a time: each growth brings a new head
_ROOMY: Final = 16  # columns that a value gets before it has shown that it needs more
_NOTICED: Final = 8  # columns of a text that are worth new heads
_NUMBER: Final = 5  # columns of a number at least, and of a process's id
_PID: Final = 7
_PIDS: Final = frozenset(("pid", "tid", "tgid", "ppid"))


class Sheet:
    """The rows of one map, and the layout that their values so far ask for.

    ``name`` stands before each row if there are several maps, ``names`` wide.
    """

    def __init__(self, decoder: Decoder, name: str, names: int) -> None:
        self.name = name if names else ""
        self._before = (name,) if names else ()
        self._times = Times(decoder)
        shown = cells(decoder.fields)
        self._cells = tuple(shown.values())
        self._view = decoder.view(decoder.fields, lambda field: shown[field].text, absent="")
        map_head = [Head(name, right=False, rank=Rank.KEPT, least=names)] if names else []
        time_head = Head("time", right=False, rank=Rank.KEPT, least=WIDTH)
        self.heads = (*map_head, time_head, *heads_of(self._cells))
        self._first = len(map_head) + 1  # the place of the first field
        self._wanted = [max(width(head.name), head.least) for head in self.heads]
        for at, cell in enumerate(self._cells, self._first):
            if cell.right:
                least = _PID if cell.name in _PIDS else _NUMBER
                self._wanted[at] = max(self._wanted[at], min(cell.width, least))
        self._filled = [not self._cells] * len(self.heads)  # that a column has more than 0 in it
        self._rows = 0
        places = {cell.name: at for at, cell in enumerate(self._cells)}
        self._pair = (places["pid"], places["tid"]) if {"pid", "tid"} <= places.keys() else None
        fields = decoder.fields
        self._repeated = {fields.index(self._times.field) + self._first} if self._times.field else set()
        if self._pair:
            self._repeated.add(self._pair[1] + self._first)
        self.layout = Layout((), (), ())

    def rows(self, batch: Batch) -> list[tuple[str, ...]]:
        """Return the cells of each row; what is in them counts for the next layout."""
        columns = self._view.columns(batch)
        for at, column in enumerate(columns, self._first):
            self._wanted[at] = max(self._wanted[at], *map(width, column))
            self._filled[at] = self._filled[at] or any(map(tells, column))
        if self._pair and columns[self._pair[0]] != columns[self._pair[1]]:
            self._repeated.discard(self._pair[1] + self._first)
        self._rows += batch.records
        return [(*self._before, *row) for row in zip(self._times.each(batch), *columns, strict=True)]

    def fit(self, most: int | None) -> bool:
        """Lay the columns out anew; tell whether that changed anything."""
        before = self.layout
        # the more room values have to grow, the fewer heads come, but nothing is hidden for it
        layouts = [
            fit([self._column(at, self._bounded(at, widths(at), most)) for at in range(len(self.heads))], most)
            for widths in (self._roomy, self._rounded, self._wanted.__getitem__)
        ]
        self.layout = min(layouts, key=lambda layout: (len(layout.hidden), self._lacking(layout) // _NOTICED))
        return self._shape(self.layout) != self._shape(before)

    def _shape(self, layout: Layout) -> Layout:
        """Return what the head shows of a layout: the width of a text at the end is not seen."""
        if layout.shown and not self.heads[layout.shown[-1]].right:
            return layout._replace(widths=layout.widths[:-1])
        return layout

    def head(self, most: int | None) -> str:
        """Return the line of heads."""
        return line([head.name for head in self.heads], self.heads, self.layout, most)

    def _column(self, at: int, wanted: int) -> Column:
        head = self.heads[at]
        rank = head.rank
        if at in self._repeated:
            rank = Rank.REPEATED
        elif self._rows and not self._filled[at] and at >= self._first and rank is not Rank.KEPT:
            rank = Rank.EMPTY
        return Column(head.name, head.right, wanted, rank)

    def _lacking(self, layout: Layout) -> int:
        """Return how many columns a text at the end would still like to have."""
        last = len(self.heads) - 1
        if self.heads[last].right or layout.shown[-1:] != (last,):
            return 0
        return max(min(self._bounded(last, self._wanted[last], 0), MUCH) - layout.widths[-1], 0)

    def _bounded(self, at: int, wanted: int, most: int | None) -> int:
        """Return the width that a column may have; nothing is cut where there is no ``most``."""
        bound = self._cells[at - self._first].bound if at >= self._first and most is not None else None
        return wanted if bound is None else min(wanted, max(bound, len(self.heads[at].name)))

    def _roomy(self, at: int) -> int:
        """Return the width that values usually take at most, by their type."""
        if at < self._first or at == len(self.heads) - 1:
            return self._wanted[at]
        return max(self._wanted[at], min(self._cells[at - self._first].width, _ROOMY))

    def _rounded(self, at: int) -> int:
        """Return the width so far; that of a text with some room."""
        wanted = self._wanted[at]
        if at < self._first or self.heads[at].right or at == len(self.heads) - 1:
            return wanted
        return max(min(-(-wanted // _STEP) * _STEP, self._cells[at - self._first].width), wanted)


class Pages:
    """All maps' rows on one screen; the heads of all of them come together."""

    def __init__(self, sheets: Mapping[Schema, Sheet]) -> None:
        self._sheets = sheets
        self._size: Size | None = None
        self._left = 0.0  # lines until the heads come again
        self._hidden: list[str] = []  # the line that says what is hidden, as it was last shown

    @property
    def begun(self) -> bool:
        """Whether there are rows."""
        return self._size is not None

    def lines(self, batch: Batch, size: Size, taken: int) -> list[str]:
        """Return the lines for a batch, heads among them; ``taken`` lines of the screen are something else's."""
        sheet = self._sheets[batch.schema]
        rows = sheet.rows(batch)
        resized, self._size = size != self._size, size
        changed = [one.fit(size.width) for one in self._sheets.values() if resized or one is sheet]
        if resized or any(changed):
            self._left = 0
        lines: list[str] = []
        for row in rows:
            if self._left <= 0:
                heads = self._heads(size.width, again=resized)
                lines += heads
                self._left = size.height - len(heads) - taken - 1 if size.height else math.inf
                resized = False
            lines.append(line(row, sheet.heads, sheet.layout, size.width))
            self._left -= 1 if size.width else -(-width(lines[-1]) // size.wraps)
        return lines

    def _heads(self, most: int | None, *, again: bool) -> list[str]:
        sheets = self._sheets.values()
        hidden = hidden_line([(sheet.name, sheet.layout.hidden) for sheet in sheets], most)
        news = hidden if again or hidden != self._hidden else []
        self._hidden = hidden
        return [*news, *[sheet.head(most) for sheet in sheets]]
