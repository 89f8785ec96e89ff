"""A fixed sequence of rows of one map, as it is looked at: raw batches, decoded where shown."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate

from beepy.events.batch import Batch
from beepy.events.batch_ops import select
from beepy.events.codec import Value
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.events.order import Order, comparable


class Rows:
    """The rows of ``batches`` in their order, without the first ``skip`` ones.

    With ``order`` they are shown in that one: positions among them.
    """

    def __init__(
        self,
        decoder: Decoder,
        batches: Sequence[Batch] = (),
        skip: int = 0,
        order: Sequence[int] | None = None,
    ) -> None:
        self.decoder = decoder
        self.batches = batches
        self._skip = skip
        self._order = order
        self._ends = list(accumulate([batch.records for batch in batches]))

    def __len__(self) -> int:
        return max((self._ends[-1] if self._ends else 0) - self._skip, 0)

    def window(self, first: int, count: int) -> Iterator[Batch]:
        """Yield ``count`` rows from the ``first`` on, as batches; fewer at the end."""
        last = min(first + count, len(self))
        if self._order is not None:
            for position in self._order[first:last]:
                yield from self._slice(position, position + 1)
        else:
            yield from self._slice(first, last)

    def row(self, position: int) -> Batch:
        """Return one row as a batch."""
        return next(self.window(position, 1))

    def arrival(self, position: int) -> int:
        """Return the position that a row has in the order of the batches."""
        return position if self._order is None else self._order[position]

    def position(self, arrival: int) -> int:
        """Return the position of a row that has this one in the order of the batches."""
        return arrival if self._order is None else self._order.index(arrival)

    def at(self, time_ns: int) -> int:
        """Return the position of the first row that was read then or later, in their order."""
        times = [batch.time_ns for batch in self.batches]
        index = bisect_left(times, time_ns)
        return max((self._ends[index - 1] if index else 0) - self._skip, 0)

    def chunks(self, count: int = 1000) -> Iterator[Batch]:
        """Yield all rows in the order in which they are shown."""
        for first in range(0, len(self), count):
            yield from self.window(first, count)

    def values(self, field: Field) -> list[Value]:
        """Return the values of a field, in the order in which rows are shown."""
        values: list[Value] = []
        for batch in self.batches:
            values += self.decoder.values(batch, (field,))[0]
        del values[: self._skip]
        return values if self._order is None else [values[position] for position in self._order]

    def ordered(self, order: Order) -> "Rows":
        """Return the same rows sorted by fields; without fields, the last one first or last."""
        if not order.fields:
            positions = range(len(self))
            if order.largest_first:
                positions = positions[::-1]
            return Rows(self.decoder, self.batches, self._skip, positions)
        plain = Rows(self.decoder, self.batches, self._skip)
        columns = [map(comparable, plain.values(field)) for field in order.fields]
        keys = list(zip(*columns, strict=True))
        ranked = sorted(range(len(keys)), key=keys.__getitem__, reverse=order.largest_first)
        return Rows(self.decoder, self.batches, self._skip, ranked)

    def first(self, count: int) -> list[Batch]:
        """Return batches of the first ``count`` rows in the order shown; in them, it is lost."""
        order = range(len(self)) if self._order is None else self._order
        wanted = {position + self._skip for position in order[:count]}
        kept, start = [], 0
        for batch in self.batches:
            mask = [start + at in wanted for at in range(batch.records)]
            start += batch.records
            if any(mask):
                kept.append(select(batch, mask))
        return kept

    def _slice(self, first: int, last: int) -> Iterator[Batch]:
        """Yield rows in the order of the batches."""
        first, last = first + self._skip, last + self._skip
        index = bisect_right(self._ends, first)
        while first < last:
            batch, end = self.batches[index], self._ends[index]
            begin = end - batch.records
            yield _part_of(batch, first - begin, min(last, end) - begin)
            first = end
            index += 1


def _part_of(batch: Batch, first: int, last: int) -> Batch:
    if (first, last) == (0, batch.records):
        return batch
    parts = [
        part._replace(raw=part.raw[part.stride * first : part.stride * last])
        for part in batch.parts
    ]
    return batch._replace(parts=tuple(parts), records=last - first)
