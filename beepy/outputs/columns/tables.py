"""Tables, and the lines of iterators, as they are now."""

import time
from heapq import nlargest, nsmallest
from itertools import islice
from typing import Any, Final, TypeAlias

from beepy.events.batch import Batch, Schema
from beepy.events.batch_ops import select, take
from beepy.events.decoder import Decoder
from beepy.events.fields import VALUE
from beepy.obj.spec import Role
from beepy.outputs.columns.cells import cells
from beepy.outputs.columns.grid import counted, grid, heads_of, more
from beepy.outputs.columns.labels import Labels
from beepy.outputs.columns.times import clock
from beepy.text import safe

_MOST: Final = 500  # rows of a table that are kept to be shown: more than a screen has

_Row: TypeAlias = tuple[Any, tuple[str, ...]]  # what it is sorted by, its texts


class Table:
    """The last complete snapshot of a table: counters and gauges by value, the largest first, others by key.

    The lines of an iterator stand as they came.
    """

    def __init__(self, schema: Schema, decoder: Decoder) -> None:
        self._name = safe(schema.map)
        self._decoder = decoder
        self._labels = Labels(decoder, cells(decoder.fields))
        self._heads = heads_of(self._labels.cells)
        self._lines = schema.is_stream
        values = [field for field in decoder.fields if field.part == VALUE]
        self._by_value = schema.role in (Role.COUNTER, Role.GAUGE) and len(values) == 1 and values[0].codec.number
        self._sorted_by = values if self._by_value else [field for field in decoder.fields if field.part != VALUE]
        self._snapshot = -1
        self._rows: list[_Row] = []
        self._count = 0
        self._shown: tuple[list[_Row], int] = ([], 0)
        self._time_ns = time.time_ns()

    def add(self, batch: Batch) -> bool:
        """Take a batch; tell whether a snapshot is complete."""
        if batch.snapshot != self._snapshot:
            self._snapshot, self._rows, self._count = batch.snapshot, [], 0
        self._count += batch.records
        if batch.records:
            self._keep(batch)
        if batch.final:
            self._time_ns = batch.time_ns
            self._shown = self._rows, self._count
        return batch.final

    def _keep(self, batch: Batch) -> None:
        """Keep the first rows of the order, of this batch and those before it; others are not decoded."""
        if self._lines:
            batch = take(batch, _MOST - len(self._rows))
            self._rows += [(None, texts) for texts in self._labels.texts(batch)]
            return
        columns = self._decoder.values(batch, self._sorted_by)
        order = [tuple(map(_comparable, row)) for row in zip(*columns, strict=True)]
        if batch.records > _MOST:
            chosen = set(self._first(list(zip(order, range(batch.records), strict=True))))
            mask = [(key, at) in chosen for at, key in enumerate(order)]
            batch, order = select(batch, mask), [key for key, wanted in zip(order, mask, strict=True) if wanted]
        self._rows = self._first([*self._rows, *zip(order, self._labels.texts(batch), strict=True)])

    def _first(self, rows: list[Any]) -> list[Any]:
        return (nlargest if self._by_value else nsmallest)(_MOST, rows)

    def lines(self, width: int | None, height: int | None) -> list[str]:
        """Return a title, a head and rows; ``... 37 more`` stands for what ``height`` has no room for."""
        rows, count = self._shown
        if not count:
            return [f"{clock(self._time_ns)} {self._name}: empty"]
        room = len(rows) if height is None else max(height - 4, 1)  # title, hidden, head, more
        texts = [texts for _, texts in islice(rows, room)]
        what = counted(count, "line") if self._lines else counted(count, "entry", "entries")
        title = f"{clock(self._time_ns)} {self._name}: {what}"
        return [title, *grid(self._heads, texts, width), *more(count - len(texts))]


def _comparable(value: object) -> tuple[int, float | str]:
    """Return what sorts values of any kind: numbers before texts, and what is missing first."""
    if isinstance(value, int | float):
        return 1, value
    return (0, 0) if value is None else (2, str(value))
