"""The panel of a stream of a counter or gauge: a count or the last value for each set of labels."""

import time
from heapq import nlargest
from typing import Final, TypeAlias

from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.outputs.columns.cells import cells, cells_of
from beepy.outputs.columns.grid import Heading, format_grid, headings_of, more_line, quantity
from beepy.outputs.columns.labels import RowLabels
from beepy.outputs.columns.layout import Rank
from beepy.outputs.columns.times import local_time
from beepy.outputs.pending import PendingRecords, to_batches
from beepy.text import safe

_Labels: TypeAlias = tuple[str, ...]

_MAX_SETS: Final = 10_000  # sets of labels
_MAX_TEXT: Final = 4 << 20  # characters of all of them


class CountsPanel:
    """The counts of a stream, the largest first; the last values of a gauge's field ``value``.

    Points in time are not labels: they differ for each event.
    """

    def __init__(self, decoder: Decoder, value: Field | None = None) -> None:
        self._name = safe(decoder.schema.map)
        self._pending = PendingRecords(decoder, ordered=value is not None)
        label_cells = {
            field: cell
            for field, cell in cells_of(decoder).items()
            if not cell.time and (value is None or field.name != value.name)
        }
        self._labels = RowLabels(decoder, label_cells)
        self._decoder = decoder
        self._value = value
        self._format = cells([value])[value].text if value else str
        heading = Heading(safe(value.name) if value else "count", right=True, rank=Rank.KEPT)
        self._headings = (heading, *headings_of(self._labels.cells))
        self._amounts: dict[_Labels, float] = {}
        self._text_size = 0  # characters of all labels
        self._other_events = 0  # of labels beyond the bounds
        self._events = 0
        self._time_ns = time.time_ns()

    def add(self, batch: Batch) -> bool:
        """Add a batch; return whether the panel changed."""
        self._events += batch.records
        self._time_ns = batch.time_ns
        self._pending.add(batch)
        if self._pending.full:
            self._fold()
        return batch.records > 0

    def _fold(self) -> None:
        """Decode the pending records."""
        numbers = self._amounts
        for batch, counts in to_batches(self._decoder, self._pending.take()):
            values = self._decoder.values(batch, (self._value,))[0] if self._value else counts
            for labels, value, count in zip(self._labels.texts(batch), values, counts, strict=True):
                if not isinstance(value, int | float):  # the record ends before the gauge's field
                    continue
                if labels not in numbers and not self._has_room(labels):
                    self._other_events += count
                else:
                    numbers[labels] = value if self._value else numbers.get(labels, 0) + count

    def _has_room(self, labels: _Labels) -> bool:
        """Return whether one more set of labels is within the bounds, and count its characters."""
        text_size = self._text_size + sum(map(len, labels))
        if len(self._amounts) >= _MAX_SETS or text_size > _MAX_TEXT:
            return False
        self._text_size = text_size
        return True

    def lines(self, width: int | None, height: int | None) -> list[str]:
        """Return a title, headings and rows; ``... 37 more`` is the last of ``height`` lines."""
        self._fold()
        numbers = self._amounts
        title = f"{local_time(self._time_ns)} {self._name}: {quantity(self._events, 'event')}"
        if not numbers:
            return [title, *self._other_line()]
        # Besides the rows: title, hidden columns, headings, more, other.
        room = len(numbers) if height is None else max(height - 5, 1)
        # The position makes the order of equal numbers that of their arrival.
        ranked = nlargest(
            room,
            (
                (number, position, labels)
                for position, (labels, number) in enumerate(numbers.items())
            ),
        )
        rows = [(self._format(number), *labels) for number, _, labels in ranked]
        grid = format_grid(self._headings, rows, width)
        return [title, *grid, *more_line(len(numbers) - len(ranked)), *self._other_line()]

    def _other_line(self) -> list[str]:
        if not self._other_events:
            return []
        events = quantity(self._other_events, "event")
        return [f"... other: {events}, of more sets of values than these {len(self._amounts)}"]
