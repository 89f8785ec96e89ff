"""Streams of counters and gauges: how often each set of values came, or the last value of each set."""

import time
from heapq import nlargest
from typing import Final, TypeAlias

from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.outputs.columns.cells import cells
from beepy.outputs.columns.grid import Head, counted, grid, heads_of, more
from beepy.outputs.columns.labels import Labels
from beepy.outputs.columns.layout import Rank
from beepy.outputs.columns.times import clock
from beepy.outputs.pending import PendingRecords, to_batches
from beepy.text import safe

_Labels: TypeAlias = tuple[str, ...]

_MOST: Final = 10_000  # sets of values
_MOST_TEXT: Final = 4 << 20  # characters of all of them


class Counts:
    """The counts of one stream, the largest first; with ``value``, a gauge's field, the last value of each set.

    Points in time are no part of a set.
    """

    def __init__(self, schema: Schema, decoder: Decoder, value: Field | None = None) -> None:
        self._name = safe(schema.map)
        self._held = PendingRecords(decoder, ordered=value is not None)
        shown = cells(decoder.fields)
        self._labels = Labels(
            decoder,
            {one: cell for one, cell in shown.items() if not cell.time and (value is None or one.name != value.name)},
        )
        self._decoder = decoder
        self._value = value
        self._text = cells([value])[value].text if value else str
        first = Head(safe(value.name) if value else "count", right=True, rank=Rank.KEPT)
        self._heads = (first, *heads_of(self._labels.cells))
        self._sets: dict[_Labels, float] = {}
        self._characters = 0  # of all labels
        self._other = 0
        self._events = 0
        self._time_ns = time.time_ns()

    def add(self, batch: Batch) -> bool:
        """Take a batch; tell whether there is something new to show."""
        self._events += batch.records
        self._time_ns = batch.time_ns
        self._held.add(batch)
        if self._held.full:
            self._fold()
        return batch.records > 0

    def _fold(self) -> None:
        sets = self._sets
        for batch, times in to_batches(self._decoder, self._held.take()):
            numbers = self._decoder.values(batch, (self._value,))[0] if self._value else times
            for labels, number, came in zip(self._labels.texts(batch), numbers, times, strict=True):
                if not isinstance(number, int | float):  # the record is too short to have the gauge's value
                    continue
                if labels not in sets and not self._takes(labels):
                    self._other += came
                else:
                    sets[labels] = number if self._value else sets.get(labels, 0) + came

    def _takes(self, labels: _Labels) -> bool:
        """Make room for one more set of values; tell whether there was any."""
        characters = self._characters + sum(map(len, labels))
        if len(self._sets) >= _MOST or characters > _MOST_TEXT:
            return False
        self._characters = characters
        return True

    def lines(self, width: int | None, height: int | None) -> list[str]:
        """Return a title, a head and rows; ``... 37 more`` stands for what ``height`` has no room for."""
        self._fold()
        title = f"{clock(self._time_ns)} {self._name}: {counted(self._events, 'event')}"
        if not self._sets:
            return [title, *self._rest()]
        room = len(self._sets) if height is None else max(height - 5, 1)  # title, hidden, head, more, other
        ranked = nlargest(room, ((number, at, labels) for at, (labels, number) in enumerate(self._sets.items())))
        lines = [title, *grid(self._heads, [(self._text(number), *labels) for number, _, labels in ranked], width)]
        return lines + more(len(self._sets) - len(ranked)) + self._rest()

    def _rest(self) -> list[str]:
        if not self._other:
            return []
        return [f"... other: {counted(self._other, 'event')}, of more sets of values than these {len(self._sets)}"]
