"""Columns out of runs of raw records: one ``struct.Struct`` unpacks many records in one call.

The fields that somebody asked for are compiled into a format whose gaps (headers, padding, all other members) are
skipped, and that format is repeated::

    "<" + "8x Q Q I 12x i 16s 4x" * 256   ->  one flat tuple  ->  column k is flat[k::stride]

Members that share bytes (unions, bitfields) are unpacked as one piece of bytes, and each is read from that piece.

A record of a stream may be shorter than its type: a member whose bytes are not all there has no value. An array of
bytes ends where the record ends, and so does an array without a length at the end of the type::

    struct event { u32 pid; char args[64]; }       | pid | ls -l |           args = "ls -l"
                                                   | pid |                   args = None
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from beepy.btf.layout import size_of
from beepy.btf.types import VOID
from beepy.errors import DecodeError
from beepy.events.batch import Batch, Part, Schema
from beepy.events.budget import Budget
from beepy.events.codec import Codec, Value
from beepy.events.compile import Meanings, cut
from beepy.events.fields import RECORD, VALUE, Field, fields, is_summed
from beepy.events.rows import per_cpu_rows
from beepy.text import safe

Convert: TypeAlias = Callable[[Any], Any] | None
Finish: TypeAlias = Callable[[Field], Convert]

_MAX_ITEMS: Final = 2048  # of one compiled format (32 bytes each): 256 records of 8 fields
_MAX_FORMATS: Final = 64
_MAX_MEMO: Final = 8192  # keys
_MAX_MEMO_BYTES: Final = 1 << 20  # of keys that are bytes or texts


class Memo(dict[Any, Any]):
    """Remembers what ``make`` made of a key, for the last few thousand keys; of large keys for fewer."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self._make = make
        self._bytes = 0

    def __missing__(self, key: object) -> object:
        size = len(key) if isinstance(key, bytes | str) else 0
        self._bytes += size
        if len(self) >= _MAX_MEMO or self._bytes > _MAX_MEMO_BYTES:
            self.clear()
            self._bytes = size
        made = self[key] = self._make(key)
        return made


class _Source(NamedTuple):
    """Where a field's values come from: columns of its part, and what makes the value of an item.

    Several columns are those of several CPUs: their values are summed, and ``after`` is applied to the sum.
    """

    part: int
    columns: tuple[int, ...]
    convert: Convert
    after: Convert = None


class Decoder:
    """Reads the batches of one schema.

    ``meanings`` are typedefs that need this machine to be read (from enrich): name -> function of the plain value.
    A value is None where the record is too short to have it, its text is "". Raises BtfError for types that are
    malformed, and later DecodeError for a batch whose bytes are not what it says.
    """

    def __init__(self, schema: Schema, meanings: Meanings | None = None, budget: Budget | None = None) -> None:
        if not isinstance(schema, Schema):
            from beepy.arguments import wrong_type  # noqa: PLC0415 - only on the way to an error

            raise wrong_type("schema", "a Schema, such as batch.schema", schema)
        self.schema = schema
        self.fields: tuple[Field, ...] = fields(schema, meanings or {}, budget)
        self.size = size_of(schema.btf, schema.record if schema.record != VOID else schema.key)
        self._views: dict[tuple[str, tuple[Field, ...]], View] = {}
        self._pieces = _Blocks([(0, f"{self.size}s")], safe(schema.map))
        self._flexible = any(field.flexible for field in self.fields)

    def view(self, wanted: Sequence[Field], finish: Finish, absent: object = None) -> "View":
        """Compile a reading of these fields; ``finish`` returns what becomes of a field's values (None: nothing).

        ``absent`` stands for a value that a record is too short to have.
        """
        return View(self.schema, self.size, tuple(wanted), finish, absent)

    def values(self, batch: Batch, wanted: Sequence[Field]) -> list[list[Value]]:
        """Return one column a field, one value a row."""
        return self._view("values", wanted, _as_it_is, None).columns(batch)

    def texts(self, batch: Batch, wanted: Sequence[Field]) -> list[list[str]]:
        """Return the same as Go's text, as labels and filters have it (not made safe for a terminal)."""
        return self._view("texts", wanted, lambda field: field.codec.text, "").columns(batch)

    def raw(self, batch: Batch) -> list[bytes]:
        """Return the bytes of each record that its fields are read from (of a table: its keys'); no row a CPU here."""
        size = self.size
        if self.schema.record != VOID and (self._flexible or batch.length < size):
            size = batch.length
        if size == self.size:
            return [piece for flat, _ in self._pieces.run(batch.parts[RECORD], batch.records) for piece in flat]
        return _records(batch, safe(self.schema.map))

    def __repr__(self) -> str:
        return f"Decoder({self.schema.map[:50]!r}, {len(self.fields)} fields, {self.size} bytes)"

    def _view(self, kind: str, wanted: Sequence[Field], finish: Finish, absent: object) -> "View":
        key = (kind, tuple(wanted))
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = self.view(wanted, finish, absent)
        return view


class View:
    """Some fields of a schema's batches, each value put through a function of its own."""

    def __init__(self, schema: Schema, size: int, wanted: tuple[Field, ...], finish: Finish, absent: object) -> None:
        self._schema = schema
        self._size = size
        self._wanted = wanted
        self._finish = finish
        self._absent = absent
        self._flexible = any(field.flexible for field in wanted)
        self._readings: dict[Field, Callable[[Any], Any]] = {}  # of arrays that end where the record does
        self._within: dict[tuple[Field, ...], View] = {}  # of the fields that short records have
        self._rows_a_cpu = bool(schema.cpus) and not is_summed(schema)
        self._blocks: dict[int, _Blocks] = {}
        sources: dict[Field, _Source] = {}
        for part in {field.part for field in wanted}:
            copies = schema.cpus if part == VALUE and not self._rows_a_cpu else 0
            slots, found = _lay_out(
                [field for field in wanted if field.part == part], copies, schema.value_size, finish
            )
            self._blocks[part] = _Blocks(slots, safe(schema.map))
            sources.update(found)
        self._sources = [sources[field] for field in wanted]
        in_order = [source.columns for source in self._sources] == [(at,) for at in range(len(wanted))]
        self._direct = in_order and len(self._blocks) == 1

    def absent(self, batch: Batch) -> tuple[int, ...]:
        """Return which of the wanted fields (as positions) the batch's records are too short to have."""
        if batch.length >= self._size or self._schema.record == VOID:
            return ()
        return tuple([at for at, field in enumerate(self._wanted) if not field.is_in(batch.length)])

    def columns(self, batch: Batch) -> list[list[Any]]:
        """Return one column a field."""
        if not self._is_whole(batch):
            return self._to_the_end(batch)
        batch = self._rows(batch)
        parts = {part: blocks.columns(batch.parts[part], batch.records) for part, blocks in self._blocks.items()}
        return [_column(source, parts[source.part]) for source in self._sources]

    def rows(self, batch: Batch) -> Iterator[tuple[tuple[Any, ...], int]]:
        """Return (all values of some rows one after the other, how many rows), until all rows were returned."""
        width = len(self._sources)
        if not self._direct or not self._is_whole(batch):
            batch = self._rows(batch)
            yield from _interleaved(self.columns(batch), batch.records)
            return
        ((part, blocks),) = self._blocks.items()
        converts = [(at, source.convert) for at, source in enumerate(self._sources) if source.convert]
        for flat, count in blocks.run(batch.parts[part], batch.records):
            items = list(flat)
            for at, convert in converts:
                items[at::width] = map(convert, flat[at::width])
            yield tuple(items), count

    def _is_whole(self, batch: Batch) -> bool:
        """Tell whether the records have all wanted fields in full, and no array that goes on to the record's end."""
        return self._schema.record == VOID or (batch.length >= self._size and not self._flexible)

    def _rows(self, batch: Batch) -> Batch:
        return per_cpu_rows(batch) if self._rows_a_cpu else batch

    def _to_the_end(self, batch: Batch) -> list[list[Any]]:
        """Return the columns of records whose ends matter."""
        records = _records(batch, safe(self._schema.map))
        there = [field for field in self._wanted if field.is_in(batch.length)]
        ending = [field for field in there if field.flexible or field.start + field.codec.size > batch.length]
        whole = tuple([field for field in there if field not in ending])
        columns = dict(zip(whole, self._of(whole).columns(batch), strict=True))
        for field in ending:
            read = self._reading(field)
            columns[field] = [read(record[field.start :]) for record in records]
        return [columns.get(field) or [self._absent] * batch.records for field in self._wanted]

    def _of(self, fields: tuple[Field, ...]) -> "View":
        """Return a view of fields that are whole in the records."""
        view = self._within.get(fields)
        if view is None:
            if len(self._within) >= _MAX_FORMATS:
                self._within.clear()
            size = max([field.start + field.codec.size for field in fields], default=0)
            view = self._within[fields] = View(self._schema, size, fields, self._finish, self._absent)
        return view

    def _reading(self, field: Field) -> Callable[[Any], Any]:
        """Return what makes a value of an array of the bytes to the record's end."""
        read = self._readings.get(field)
        if read is None:
            read = _chain(field.codec, field.codec.value, self._finish(field))
            assert read, "an array of bytes has a function that reads it"
            self._readings[field] = read
        return read


class _Blocks:
    """Unpacks runs: the items at ``slots`` (offset, code) of every record, in that order."""

    def __init__(self, slots: Sequence[tuple[int, str]], name: str) -> None:
        self._slots = slots
        self._name = name
        self.size = max([offset + struct.calcsize(f"<{code}") for offset, code in slots], default=0)
        self._most = 1 << (max(_MAX_ITEMS // max(len(slots), 1), 1).bit_length() - 1)
        self._formats: dict[tuple[int, int, int], struct.Struct] = {}

    def run(self, part: Part, records: int) -> Iterator[tuple[tuple[Any, ...], int]]:
        """Return (the items of some records one after the other, how many records)."""
        raw, stride, skip = part
        if records and (stride < skip + self.size or len(raw) < stride * (records - 1) + skip + self.size):
            got = f"{len(raw)} bytes in steps of {stride} for {records} records"
            raise DecodeError(f"map '{self._name}': {got}: expected {self.size} bytes after every {skip}")
        if len(raw) < stride * records:
            raw = raw.ljust(stride * records, b"\0")
        at, count = 0, self._most
        while records:
            while count > records:
                count >>= 1
            yield self._format(stride, skip, count).unpack_from(raw, at), count
            at += stride * count
            records -= count

    def columns(self, part: Part, records: int) -> list[list[Any]]:
        """Return one column a slot."""
        width = len(self._slots)
        columns: list[list[Any]] = [[] for _ in range(width)]
        for flat, _ in self.run(part, records):
            for at, column in enumerate(columns):
                column.extend(flat[at::width])
        return columns

    def _format(self, stride: int, skip: int, count: int) -> struct.Struct:
        key = (stride, skip, count)
        made = self._formats.get(key)
        if made is None:
            if len(self._formats) >= _MAX_FORMATS:  # records of many lengths
                self._formats.clear()
            body, end = "", -skip
            for offset, code in self._slots:
                body += f"{offset - end}x{code}"
                end = offset + struct.calcsize(f"<{code}")
            made = self._formats[key] = struct.Struct("<" + f"{body}{stride - skip - end}x" * count)
        return made


def _records(batch: Batch, name: str) -> list[bytes]:
    """Return the records of a stream, from their first byte to their last one."""
    raw, stride, skip = batch.parts[RECORD]
    end = skip + batch.length
    if batch.records and (stride < end or len(raw) < stride * (batch.records - 1) + end):
        got = f"{len(raw)} bytes in steps of {stride} for {batch.records} records"
        raise DecodeError(f"map '{name}': {got}: expected {batch.length} bytes after every {skip}")
    return [raw[at + skip : at + end] for at in range(0, stride * batch.records, stride)]


def _lay_out(
    wanted: Sequence[Field], copies: int, value_size: int, finish: Finish
) -> tuple[list[tuple[int, str]], dict[Field, _Source]]:
    """Return the slots of one part, and each field's source; ``copies`` are the CPUs whose values are summed."""
    slots: list[tuple[int, str]] = []
    sources: dict[Field, _Source] = {}
    for start, end, group in _groups(wanted):
        alike = len({(field.start, field.codec.code) for field in group}) == 1
        for field in group:
            made = field.codec.value if alike else cut(field.codec, field.start - start)
            after = finish(field)
            if copies:
                columns = tuple(range(len(slots), len(slots) + copies))
                sources[field] = _Source(field.part, columns, made, after)
            else:
                sources[field] = _Source(field.part, (len(slots),), _chain(field.codec, made, after))
        code = group[0].codec.code if alike else f"{end - start}s"
        step = -(-value_size // 8) * 8  # the kernel's round_up(value_size, 8)
        slots += [(start + step * cpu, code) for cpu in range(copies or 1)]
    return slots, sources


def _groups(wanted: Sequence[Field]) -> Iterator[tuple[int, int, list[Field]]]:
    """Return (first byte, byte after the last, fields) for fields that overlap, in the order of the bytes."""
    group: list[Field] = []
    start = end = 0
    for field in sorted(wanted, key=lambda field: (field.start, field.start + field.codec.size)):
        if group and field.start >= end:
            yield start, end, group
            group = []
        if not group:
            start = end = field.start
        group.append(field)
        end = max(end, field.start + field.codec.size)
    if group:
        yield start, end, group


def _as_it_is(_field: Field) -> Convert:
    return None


def _chain(codec: Codec, first: Convert, then: Convert) -> Convert:
    """Return both in turn, remembered where the same values come again and again."""
    both = (lambda item: then(first(item))) if first and then else first or then
    return Memo(both).__getitem__ if both and codec.few else both


def _column(source: _Source, columns: list[list[Any]]) -> list[Any]:
    chosen = [columns[at] for at in source.columns]
    if source.convert:
        chosen = [list(map(source.convert, column)) for column in chosen]
    column = chosen[0] if len(chosen) == 1 else list(map(sum, zip(*chosen, strict=True)))
    return list(map(source.after, column)) if source.after else column


def _interleaved(columns: list[list[Any]], total: int) -> Iterator[tuple[tuple[Any, ...], int]]:
    width = len(columns)
    step = max(_MAX_ITEMS // max(width, 1), 1)
    for start in range(0, total, step):
        count = min(step, total - start)
        items: list[Any] = [None] * (count * width)
        for at, column in enumerate(columns):
            items[at::width] = column[start : start + count]
        yield tuple(items), count
