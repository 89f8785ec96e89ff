"""The panel of a stream of a counter or gauge: a count or the last value for each set of labels."""

import time
from heapq import nlargest, nsmallest
from itertools import compress
from typing import Any, Final, NamedTuple, TypeAlias

from beepy.events.batch import Batch
from beepy.events.batch_ops import select
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.outputs.columns.cells import cells, cells_of
from beepy.outputs.columns.grid import Heading, draw_grid, headings_of, more_line, quantity
from beepy.outputs.columns.labels import Ranks, RowLabels
from beepy.outputs.columns.layout import Rank
from beepy.outputs.columns.panel import Drawing, PanelOrder, Sorting
from beepy.outputs.columns.times import local_time
from beepy.outputs.pending import PendingRecords, to_batches
from beepy.text import safe

_Labels: TypeAlias = tuple[str, ...]

_MAX_SETS: Final = 10_000  # sets of labels
_MAX_TEXT: Final = 4 << 20  # characters of all of them


class _Counts(NamedTuple):
    """What is shown at a time; ``others`` are events of labels beyond the bounds."""

    amounts: dict[_Labels, float]
    events: int
    others: int
    time_ns: int


class CountsPanel:
    """The counts of a stream, the largest first; the last values of a gauge's field ``value``.

    Points in time are not labels: they differ for each event. ``sortable``: the ranks of labels are
    kept, for ``sorting``.
    """

    def __init__(
        self, decoder: Decoder, value: Field | None = None, *, sortable: bool = False
    ) -> None:
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
        self._ranks: dict[_Labels, Ranks] | None = {} if sortable else None
        self._text_size = 0  # characters of all labels
        self._other_events = 0  # of labels beyond the bounds
        self._events = 0
        self._time_ns = time.time_ns()
        self._held: _Counts | None = None
        names = tuple([heading.name for heading in self._headings])
        self.sorting = Sorting(names, self.draw, self._hold)

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
            new = []
            texts = self._labels.texts(batch)
            for labels, value, count in zip(texts, values, counts, strict=True):
                is_new = labels not in numbers
                if not isinstance(value, int | float):  # the record ends before the gauge's field
                    is_new = False
                elif is_new and not self._has_room(labels):
                    self._other_events += count
                    is_new = False
                else:
                    numbers[labels] = value if self._value else numbers.get(labels, 0) + count
                new.append(is_new)
            if self._ranks is not None and any(new):
                ranks = self._labels.ranks(select(batch, new))
                self._ranks.update(zip(compress(texts, new), ranks, strict=True))

    def _has_room(self, labels: _Labels) -> bool:
        """Return whether one more set of labels is within the bounds, and count its characters."""
        text_size = self._text_size + sum(map(len, labels))
        if len(self._amounts) >= _MAX_SETS or text_size > _MAX_TEXT:
            return False
        self._text_size = text_size
        return True

    def _hold(self, held: bool) -> None:  # noqa: FBT001 - as Sorting has it
        self._held = None
        if held:
            now = self._counts()
            self._held = now._replace(amounts=dict(now.amounts))

    def _counts(self) -> _Counts:
        """Return what is shown."""
        if self._held:
            return self._held
        self._fold()
        return _Counts(self._amounts, self._events, self._other_events, self._time_ns)

    def lines(self, width: int | None, height: int | None) -> list[str]:
        """Return a title, headings and rows; ``... 37 more`` is the last of ``height`` lines."""
        return self.draw(width, height).lines

    def draw(
        self, width: int | None, height: int | None, order: PanelOrder | None = None
    ) -> Drawing:
        """Return the same in an order, with the places of the headings."""
        counts = self._counts()
        numbers = counts.amounts
        title = f"{local_time(counts.time_ns)} {self._name}: {quantity(counts.events, 'event')}"
        if not numbers:
            return Drawing([title, *_other_line(counts)])
        # Besides the rows: title, hidden columns, headings, more, other.
        room = len(numbers) if height is None else max(height - 5, 1)
        # The position makes the order of equal numbers that of their arrival.
        ranked = (nsmallest if order and not order.largest_first else nlargest)(
            room,
            (
                (self._rank(labels, number, order), position, number, labels)
                for position, (labels, number) in enumerate(numbers.items())
            ),
        )
        rows = [(self._format(number), *labels) for _, _, number, labels in ranked]
        lines, headings, places = draw_grid(self._headings, rows, width)
        more = more_line(len(numbers) - len(ranked))
        return Drawing(
            [title, *lines, *more, *_other_line(counts)],
            tuple([line + 1 for line in headings]),
            tuple([place._replace(line=place.line + 1) for place in places]),
        )

    def _rank(self, labels: _Labels, number: float, order: PanelOrder | None) -> Any:  # noqa: ANN401 - numbers, or ranks
        if order and order.column:
            assert self._ranks is not None, "it is sortable"
            return self._ranks[labels][order.column - 1]
        return number


def _other_line(counts: _Counts) -> list[str]:
    if not counts.others:
        return []
    events = quantity(counts.others, "event")
    return [f"... other: {events}, of more sets of values than these {len(counts.amounts)}"]
