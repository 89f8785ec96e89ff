"""The panel of a table, or of the lines of an iterator: its last snapshot."""

import time
from heapq import nlargest, nsmallest
from itertools import islice
from typing import Any, Final, TypeAlias

from beepy.events.batch import Batch
from beepy.events.batch_ops import select, take
from beepy.events.decoder import Decoder
from beepy.events.order import comparable, default_order
from beepy.outputs.columns.cells import cells_of
from beepy.outputs.columns.grid import format_grid, headings_of, more_line, quantity
from beepy.outputs.columns.labels import RowLabels
from beepy.outputs.columns.times import local_time
from beepy.text import safe

_MAX_ROWS: Final = 500  # rows of a table that are kept: more than a screen has

_SortedRow: TypeAlias = tuple[Any, tuple[str, ...]]  # the sort key, the texts


class TablePanel:
    """The last complete snapshot of a table.

    Its rows have their default order, unless the run has arranged them.
    """

    def __init__(self, decoder: Decoder) -> None:
        schema = decoder.schema
        self._name = safe(schema.map)
        self._decoder = decoder
        self._labels = RowLabels(decoder, cells_of(decoder))
        self._headings = headings_of(self._labels.cells)
        self._is_iterator = schema.is_stream
        self._keeps_order = schema.is_stream or decoder.arranged
        order = default_order(decoder)
        self._sort_fields, self._largest_first = order
        presentation = schema.presentation
        image_limit = presentation.limit if presentation and not decoder.arranged else 0
        self._limit = image_limit or _MAX_ROWS
        self._snapshot = -1
        self._rows: list[_SortedRow] = []
        self._count = 0
        self._shown: tuple[list[_SortedRow], int] = ([], 0)  # rows and count when it was complete
        self._time_ns = time.time_ns()

    def add(self, batch: Batch) -> bool:
        """Add a batch; return whether a snapshot is complete."""
        if batch.snapshot != self._snapshot:
            self._snapshot, self._rows, self._count = batch.snapshot, [], 0
        self._count += batch.records
        if batch.records:
            self._keep_first(batch)
        if batch.final:
            self._time_ns = batch.time_ns
            self._shown = self._rows, self._count
        return batch.final

    def _keep_first(self, batch: Batch) -> None:
        """Keep the first rows in the order, of this batch and earlier ones.

        Only the sort keys of the others are decoded.
        """
        if self._keeps_order:
            batch = take(batch, _MAX_ROWS - len(self._rows))
            self._rows += [(None, texts) for texts in self._labels.texts(batch)]
            return
        columns = self._decoder.values(batch, self._sort_fields)
        keys = [tuple(map(comparable, row)) for row in zip(*columns, strict=True)]
        if batch.records > _MAX_ROWS:
            numbered = list(zip(keys, range(batch.records), strict=True))
            chosen = set(self._first(numbered))
            mask = [row in chosen for row in numbered]
            batch = select(batch, mask)
            keys = [key for key, kept in zip(keys, mask, strict=True) if kept]
        rows = zip(keys, self._labels.texts(batch), strict=True)
        self._rows = self._first([*self._rows, *rows])

    def _first(self, rows: list[Any]) -> list[Any]:
        return (nlargest if self._largest_first else nsmallest)(_MAX_ROWS, rows)

    def lines(self, width: int | None, height: int | None) -> list[str]:
        """Return a title, headings and rows; ``... 37 more`` is the last of ``height`` lines."""
        rows, count = self._shown
        start = f"{local_time(self._time_ns)} {self._name}: "
        if not count:
            return [f"{start}empty"]
        # Besides the rows: title, hidden columns, headings, more.
        room = len(rows) if height is None else max(height - 4, 1)
        room = min(room, self._limit)
        texts = [texts for _, texts in islice(rows, room)]
        nouns = ("line", "lines") if self._is_iterator else ("entry", "entries")
        title = start + quantity(count, *nouns)
        grid = format_grid(self._headings, texts, width)
        return [title, *grid, *more_line(count - len(texts))]
