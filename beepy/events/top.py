"""``--top N --by FIELD,FIELD``: the largest groups of a stream's events, as rows.

What is shown is a stream itself, of records of this layout, so that outputs know nothing of it::

    | count u64 | error u64 | sum, 16 bytes | slots | first event of the group, to its last field |

A slot has the value of a derived field when the event came; it may be another one later.

Its fields are ``count``, perhaps ``sum_FIELD`` or ``avg_FIELD``, those of ``--by``, and ``error``.
"""

import math
import struct
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from operator import attrgetter
from typing import Final, NamedTuple

from beepy.btf.types import VOID, Bits
from beepy.errors import UsageError, worded
from beepy.events import go_format, named, slots
from beepy.events.batch import Batch, Part, Schema
from beepy.events.choice import Choice
from beepy.events.codec import Codec, wide_integer
from beepy.events.compile import distinct
from beepy.events.decoder import Decoder
from beepy.events.fields import RECORD, RESERVED, Field
from beepy.events.groups import Group, Groups
from beepy.events.metrics import as_number
from beepy.events.protocols import Source
from beepy.events.row import Rows
from beepy.events.selection import Option
from beepy.events.ticks import ticks
from beepy.obj.spec import Role
from beepy.text import safe

_HEAD: Final = 32  # bytes before the event
_COUNT: Final = Codec(code="Q", size=8, value=None, text=str, width=8, number=True)
_SUM: Final = Codec(
    code="16s",
    size=16,
    value=partial(wide_integer, signed=True),
    text=str,
    width=8,
    number=True,
    integer="q",
)
_REAL: Final = Codec(
    code="d", size=8, value=lambda value: None if math.isnan(value) else value,
    text=go_format.real, width=8, number=True,
)  # fmt: skip
_SLOT: Final = 4096  # bytes of a derived field


class Wanted(NamedTuple):
    """The ``most`` largest groups ``by`` the fields that --by names.

    They are shown every ``every_s`` seconds (0: at the end). Groups are ranked by the sum or the
    average of a field (``total``, ``average``), else by the number of their events.
    """

    most: int
    by: str
    every_s: float = 0
    total: str = ""
    average: str = ""

    def check(self) -> None:
        """Raise UsageError for what is wrong whatever maps there are."""
        if self.most < 1:
            raise UsageError(worded("--top: expected a number above 0"))
        if not 0 <= self.every_s < math.inf:
            raise UsageError(worded("--every: expected at least 0 seconds"))
        for option, _ in self._words():
            if self.total and self.average:
                raise option.refuse("expected --sum or --avg, not both")

    def _words(self) -> Iterator[tuple[Option, named.Words]]:
        texts = [("by", self.by), ("sum", self.total), ("avg", self.average)]
        for name, text in texts:
            if text or name == "by":
                option = Option(name, f"--{name}", text)
                yield option, named.split(option)

    def ranked(self, decoders: Sequence[Decoder]) -> "dict[Schema, Ranked]":
        """Return what counts each map that is meant. Raise UsageError."""
        streams = [decoder for decoder in decoders if decoder.schema.is_stream]
        (option, words), *values = self._words()
        found = {}
        for decoder, groups in named.fields_of_maps(option, words, streams):
            by = tuple(dict.fromkeys(field for group in groups for field in group))
            value = None
            for value_option, value_words in values:
                ((_, ((field, *_), *_)),) = named.fields_of_maps(
                    value_option, value_words, [decoder]
                )
                value = as_number(field)
                if value is None:
                    raise value_option.refuse("it is not a number")
            found[decoder.schema] = Ranked(self, decoder, by, value)
        return found


class Ranked:
    """The groups of one map; ``decoder`` reads the batches of rows that ``rows`` gives."""

    def __init__(
        self, wanted: Wanted, decoder: Decoder, by: tuple[Field, ...], value: Field | None
    ) -> None:
        self._wanted = wanted
        self._source = decoder
        self._by = by
        self._value = value
        self.groups = Groups()
        self._snapshot = 0
        # a field that the record's end may cut needs the whole record
        self._end = max([field.start + field.codec.size for field in by])
        self._derived = [position for position, field in enumerate(by) if field.derived]
        self._head = _HEAD + _SLOT * len(self._derived)
        self._is_open = any(field.codec.open_ended for field in by)
        self._unhashable = [position for position, f in enumerate(by) if f.codec.inner]
        self.decoder = self._make_decoder()

    def add(self, batch: Batch) -> None:
        """Count the events of a batch."""
        if not batch.records:
            return
        wanted = [*self._by, *([self._value] if self._value else [])]
        columns = self._source.values(batch, wanted)
        values = columns.pop() if self._value else None
        for position in self._unhashable:
            columns[position] = list(map(repr, columns[position]))
        keys = list(zip(*columns, strict=True))
        positions: dict[Hashable, int] = {}

        def record_of(key: Hashable) -> tuple[bytes, int]:
            if not positions:
                positions.update(zip(reversed(keys), reversed(range(len(keys))), strict=True))
            return self._record(batch, positions[key])

        if values is None:
            self.groups.add(Counter(keys).items(), record_of)
        else:
            numbers = [value if isinstance(value, int | float) else None for value in values]
            self.groups.add_values(zip(keys, numbers, strict=True), record_of)

    def rows(self, time_ns: int) -> Iterator[Batch]:
        """Yield the largest groups as a snapshot: batches of records of one length."""
        self._snapshot += 1
        groups = self.groups.largest(self._wanted.most, self._rank())
        while groups:
            length = groups[0].length
            same = next((at for at, g in enumerate(groups) if g.length != length), len(groups))
            yield self._batch(groups[:same], time_ns, final=same == len(groups))
            groups = groups[same:]

    def _record(self, batch: Batch, position: int) -> tuple[bytes, int]:
        raw, stride, skip = batch.parts[RECORD]
        length = batch.length if self._is_open else min(batch.length, self._end)
        at = position * stride + skip
        return raw[at : at + length].rstrip(b"\0"), length

    def _rank(self) -> Callable[[Group], float]:
        if self._wanted.total:
            return attrgetter("total")
        return _average if self._wanted.average else attrgetter("seen")

    def _batch(self, groups: Sequence[Group], time_ns: int, *, final: bool) -> Batch:
        stride = self._head + groups[0].length
        return Batch(
            schema=self.decoder.schema,
            parts=(Part(b"".join([self._packed(group) for group in groups]), stride, 0),),
            records=len(groups),
            length=stride,
            time_ns=time_ns,
            snapshot=self._snapshot,
            final=final,
        )

    def _packed(self, group: Group) -> bytes:
        head = struct.pack("<QQ", group.seen, group.missed)
        if self._wanted.average or isinstance(group.total, float):
            number = _average(group) if self._wanted.average else group.total
            head += struct.pack("<d8x", number if group.valued else math.nan)
        else:
            head += group.total.to_bytes(16, "little", signed=True)
        values = group.key if isinstance(group.key, tuple) else ()
        values_in = [slots.packed(values[position], _SLOT) for position in self._derived]
        return b"".join([head, *values_in, group.record.ljust(group.length, b"\0")])

    def _make_decoder(self) -> Decoder:
        taken = {*RESERVED, *[field.path[0] for field in self._by]}

        def own(name: str, start: int, codec: Codec) -> Field:
            name = distinct(name, taken)
            return Field(
                name=name, path=(name,), label=name, type=VOID, offset=Bits(8 * start),
                bits=8 * codec.size, part=RECORD, start=start, codec=codec,
            )  # fmt: skip

        fields = [own("count", 0, _COUNT)]
        if self._value:
            is_real = self._wanted.average or self._value.codec.code in "efd"
            name = f"{'avg' if self._wanted.average else 'sum'}_{self._value.label}"
            fields.append(own(name, 16, _REAL if is_real else _SUM))
        for position, field in enumerate(self._by):
            if field.derived:
                start = _HEAD + _SLOT * self._derived.index(position)
                codec = slots.codec(field.codec, _SLOT)
                fields.append(field._replace(start=start, codec=codec, derived=None))
            else:
                fields.append(slots.moved(field, self._head))
        fields.append(own("error", 8, _COUNT))
        schema = self._source.schema._replace(
            role=Role.PRINT, metric="", metric_value="", metrics=(), counts_loss=False
        )
        decoder = Decoder(schema, layout=(tuple(fields), self._head + self._end))
        decoder.choice = Choice(only=tuple(fields))
        decoder.arranged = True
        decoder.plain = self._source.plain
        return decoder


def _average(group: Group) -> float:
    return group.total / group.valued if group.valued else -math.inf


class Top:
    """Counts the events of the maps that are meant, and gives rows of their largest groups.

    ``decoders`` read the rows. Time is that of the batches.
    """

    def __init__(self, wanted: Wanted, decoders: Sequence[Decoder]) -> None:
        wanted.check()
        self._every_ns = int(wanted.every_s * 1e9)
        self._ranked = wanted.ranked(decoders)
        self._due_ns = 0
        self._time_ns = 0
        self.decoders = tuple([ranked.decoder for ranked in self._ranked.values()])

    def counts(self, schema: Schema) -> bool:
        """Return whether events of that map are counted."""
        return schema in self._ranked

    def take(self, batch: Batch) -> Iterator[Batch]:
        """Yield the rows that are due, and count a batch."""
        self._time_ns = max(self._time_ns, batch.time_ns)
        self._due_ns = self._due_ns or batch.time_ns + self._every_ns
        if self._every_ns and batch.time_ns >= self._due_ns:
            passed = (batch.time_ns - self._due_ns) // self._every_ns + 1
            self._due_ns += passed * self._every_ns
            yield from self.rows()
        if ranked := self._ranked.get(batch.schema):
            ranked.add(batch)

    def rows(self) -> Iterator[Batch]:
        """Yield the largest groups so far."""
        for ranked in self._ranked.values():
            yield from ranked.rows(self._time_ns)

    def summary(self) -> Iterator[tuple[bool, str]]:
        """Yield for each map whether its counts are exact, and a line that says so."""
        for schema, ranked in self._ranked.items():
            yield not ranked.groups.floor, _summary(schema, ranked.groups)


def largest_groups(
    wanted: Wanted, decoders: Sequence[Decoder], source: Source, batches: Iterable[Batch]
) -> Iterator[Rows]:
    """Yield the largest groups of the events of a run, as often as ``wanted`` says."""
    top = Top(wanted, decoders)
    decoder_of = {decoder.schema: decoder for decoder in top.decoders}
    with ticks(source, wanted.every_s):
        for shown in chain(chain.from_iterable(map(top.take, batches)), _later(top.rows)):
            yield Rows(shown, decoder_of[shown.schema])


def _later(rows: Callable[[], Iterator[Batch]]) -> Iterator[Batch]:
    yield from rows()


def _summary(schema: Schema, groups: Groups) -> str:
    name = safe(schema.map)
    if not groups.floor:
        return f"{name}: {groups.events} events in {len(groups)} groups"
    return (
        f"{name}: {groups.events} events in more than {len(groups)} groups: counts may be too small"
        f" by their error, and groups of up to {groups.floor} events may be missing"
    )
