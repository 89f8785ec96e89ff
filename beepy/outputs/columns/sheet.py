"""The rows of one map on a terminal, and the layout that their values so far ask for."""

from collections.abc import Sequence
from typing import Final

from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.outputs.columns.cells import cells
from beepy.outputs.columns.grid import NOTHING, Head, heads_of, line
from beepy.outputs.columns.layout import MUCH, Column, Layout, Rank, fit
from beepy.outputs.columns.strips import Strip, joined, shared, strip_of
from beepy.outputs.columns.times import WIDTH, Times
from beepy.width import width

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
        self._times = Times(decoder)
        shown = cells(decoder.fields)
        self._cells = tuple(shown.values())
        raw = {field: None if cell.plain or cell.texts else cell.raw for field, cell in shown.items()}
        self._view = decoder.view(decoder.fields, raw.__getitem__, absent="")
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
        self.head = ""  # the line of heads
        self._fitted: object = None  # what the layout was made for

    def read(self, batch: Batch, most: int | None) -> list[Strip]:
        """Return the columns of a batch; what is in them counts for the next layout."""
        columns, absent = self._view.columns(batch), self._view.absent(batch)
        strips = []
        for at, (cell, column) in enumerate(zip(self._cells, columns, strict=True)):
            strip = shared("") if at in absent else strip_of(cell, column, most)
            strips.append(strip)
            self._wanted[at + self._first] = max(self._wanted[at + self._first], strip.widest)
            if not self._filled[at + self._first]:
                self._filled[at + self._first] = not NOTHING.issuperset(strip.values)
        if self._pair and columns[self._pair[0]] != columns[self._pair[1]]:
            self._repeated.discard(self._pair[1] + self._first)
        self._rows += batch.records
        common = self._times.common(batch)
        times = Strip(self._times.each(batch), WIDTH) if common is None else shared(common)
        return [*([shared(self.name)] if self.name else []), times, *strips]

    def lines(self, strips: Sequence[Strip], records: int, most: int | None) -> list[str]:
        """Return the line of each row of a batch that was read, as the layout has it."""
        return joined(strips, [head.right for head in self.heads], self.layout, records, most)

    def fit(self, most: int | None) -> bool:
        """Lay the columns out anew; tell whether that changed anything."""
        asked = most, tuple(self._wanted), tuple(self._filled), frozenset(self._repeated), self._rows > 0
        if asked == self._fitted:
            return False
        self._fitted, before = asked, self.layout
        # the more room values have to grow, the fewer heads come, but nothing is hidden for it
        layouts = [
            fit([self._column(at, self._bounded(at, widths(at), most)) for at in range(len(self.heads))], most)
            for widths in (self._roomy, self._rounded, self._wanted.__getitem__)
        ]
        self.layout = min(layouts, key=lambda layout: (len(layout.hidden), self._lacking(layout) // _NOTICED))
        self.head = line([head.name for head in self.heads], self.heads, self.layout, most)
        return self._shape(self.layout) != self._shape(before)

    def _shape(self, layout: Layout) -> Layout:
        """Return what the head shows of a layout: the width of a text at the end is not seen."""
        if layout.shown and not self.heads[layout.shown[-1]].right:
            return layout._replace(widths=layout.widths[:-1])
        return layout

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
        """Return the width that a column may have.

        Where there is no ``most`` nothing is cut, and a value that is wider than its type's usual ones moves only the
        rest of its own row.
        """
        cell = self._cells[at - self._first] if at >= self._first else None
        bound = cell and (cell.width if most is None else cell.bound)
        return wanted if bound is None else min(wanted, max(bound, width(self.heads[at].name)))

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
