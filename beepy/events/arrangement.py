"""How rows are shown: which fields (``--fields``), and of snapshots which rows, in which order.

``--raw`` shows numbers without what they mean.
``--sort FIELD`` and ``--limit N`` are about snapshots: of tables, and of the lines of iterators.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple, TypeAlias

from beepy.events import choice, named
from beepy.events.batch import Batch, Part, Schema
from beepy.events.decoder import Decoder
from beepy.events.order import Order, comparable, default_order
from beepy.events.selection import Option

_Row: TypeAlias = tuple[tuple[tuple[int, float | str], ...], int, tuple[bytes, ...]]
"""A row: its sort key, the length of its batch's rows, and its piece of each part."""


class Arrangement(NamedTuple):
    """What the options say: ``sort`` as of --sort, ``limit`` the rows of a snapshot (None: all)."""

    fields: Sequence[str] = ()
    sort: Sequence[str] = ()
    limit: int | None = None
    raw: bool = False

    def check(self) -> None:
        """Raise UsageError for what is wrong whatever maps there are."""
        choice.check(self.fields)
        for source in self.sort:
            _words(source)

    def apply(self, decoders: Sequence[Decoder]) -> "Snapshots | None":
        """Set what the decoders show; return what sorts and cuts snapshots, None if nothing does.

        Raise UsageError for a field that no map, or more than one, has.
        """
        choice.apply(self.fields, decoders)
        for decoder in decoders:
            decoder.plain = self.raw
        if not self.sort and self.limit is None:
            return None
        orders = _orders(self.sort, decoders)
        if self.limit is not None:
            orders = {d.schema: default_order(d) for d in decoders} | orders
        for decoder in decoders:
            decoder.arranged = decoder.schema in orders
        return Snapshots(decoders, orders, self.limit)


def _words(source: str) -> tuple[Option, named.Words]:
    option = Option("sort", "--sort", source)
    words = named.split(option, signs="-+")
    if len(words.names) > 1:
        raise option.refuse("expected one field", words.names[:1])
    return option, words


def _orders(sources: Iterable[str], decoders: Sequence[Decoder]) -> dict[Schema, Order]:
    orders: dict[Schema, Order] = {}
    for source in sources:
        option, words = _words(source)
        for decoder, (fields,) in named.fields_of_maps(option, words, decoders):
            if decoder.schema in orders:
                raise option.refuse(f"map '{named.shown_name(decoder)}' is named twice")
            orders[decoder.schema] = Order(tuple(fields), largest_first=words.names[0][0] == "-")
    return orders


class Snapshots:
    """Keeps the rows of a snapshot until its end, and gives the first ones in their order.

    ``cut`` is how many were not given. With a limit, no more than twice that many rows are kept.
    """

    def __init__(
        self, decoders: Sequence[Decoder], orders: Mapping[Schema, Order], limit: int | None
    ) -> None:
        self.cut = 0
        self._decoders = {decoder.schema: decoder for decoder in decoders}
        self._orders = orders
        self._limit = limit
        self._rows: dict[Schema, list[_Row]] = {}
        self._number: dict[Schema, int] = {}

    def arrange(self, batch: Batch) -> Iterator[Batch]:
        """Yield what is to be shown now: events as they come, snapshots when they are complete."""
        schema = batch.schema
        if not batch.snapshot or schema not in self._orders:
            yield batch
            return
        if self._number.get(schema) != batch.snapshot:
            self._drop(schema)  # of a snapshot that did not end
            self._number[schema] = batch.snapshot
        self._keep_first(batch)
        if batch.final:
            yield from _batches(batch, self._rows.pop(schema))

    def end(self) -> None:
        """Count the rows of snapshots that did not end."""
        for schema in (*self._rows,):
            self._drop(schema)

    def _drop(self, schema: Schema) -> None:
        self.cut += len(self._rows.pop(schema, ()))

    def _keep_first(self, batch: Batch) -> None:
        order = self._orders[batch.schema]
        rows = self._rows.setdefault(batch.schema, [])
        columns = self._decoders[batch.schema].values(batch, order.fields)
        keys = zip(*columns, strict=True) if columns else iter([()] * batch.records)
        pieces = [
            [part.raw[at : at + part.stride] for at in _starts(part, batch.records)]
            for part in batch.parts
        ]
        for key, row in zip(keys, zip(*pieces, strict=True), strict=True):
            rows.append((tuple(map(comparable, key)), batch.length, row))
        rows.sort(key=lambda row: row[0], reverse=order.largest_first)  # stable in both directions
        limit = len(rows) if self._limit is None else self._limit
        self.cut += len(rows[limit:])
        del rows[limit:]


def _starts(part: Part, count: int) -> Iterator[int]:
    return (part.stride * at for at in range(count))


def _batches(last: Batch, rows: list[_Row]) -> Iterator[Batch]:
    """Yield the rows as batches, each of rows of one length; the last one ends the snapshot."""
    groups = [[*group] for _, group in groupby(rows, lambda row: (row[1], *map(len, row[2])))]
    if not groups:
        yield last._replace(parts=tuple([part._replace(raw=b"") for part in last.parts]), records=0)
    for group in groups:
        pieces = zip(*[row[2] for row in group], strict=True)
        parts = [
            part._replace(raw=b"".join(column), stride=len(column[0]))
            for part, column in zip(last.parts, pieces, strict=True)
        ]
        yield last._replace(
            parts=tuple(parts),
            records=len(group),
            length=group[0][1],
            final=group is groups[-1],
        )
