"""Decode runs of raw records into columns: one ``struct.Struct`` unpacks many records in one call.

The fields that are asked for are compiled into a format that skips everything between them
(headers, padding, other members), and the format is repeated::

    run      | header | pid | (skipped) | comm | padding | header | pid | ...
    format     8x       I     12x         16s    4x        8x       I     ...
    "<" + "8x I 12x 16s 4x" * 256  ->  (pid, comm, pid, comm, ...)  ->  column k is items[k::2]

Members that share bytes (unions, bitfields) are unpacked as one piece of bytes, and each is read
from that piece.

A record of a stream may be shorter than its type: a member that is not completely in it has no
value. An array of bytes ends where the record ends, and so does an array without a length at the
end of the type::

    struct event { u32 pid; char args[64]; }       | pid | ls -l |           args = "ls -l"
                                                   | pid |                   args = None
"""

from collections.abc import Callable, Container, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from beepy.btf.layout import size_of
from beepy.events.batch import Batch, Schema
from beepy.events.budget import Budget
from beepy.events.codec import Codec, Value, cut
from beepy.events.fields import RECORD, VALUE, Field, fields, is_summed
from beepy.events.memo import Memo
from beepy.events.unpack import MAX_ITEMS, Blocks, Slot, records_of
from beepy.text import safe

if TYPE_CHECKING:
    from beepy.events.choice import Choice  # few runs choose

Convert: TypeAlias = Callable[[Any], Any] | None
Finish: TypeAlias = Callable[[Field], Convert]

_MAX_VIEWS: Final = 64


class _Origin(NamedTuple):
    """How a field's values are made: from columns of its part, by ``convert`` of each item.

    Several columns are those of several CPUs: their values are summed, and ``after`` is applied to
    the sum.
    """

    part: int
    columns: tuple[int, ...]
    convert: Convert
    after: Convert = None


class Decoder:
    """Decodes the batches of one schema; all stages and sinks of a run share it.

    The value of a field that a record is too short for is None, and its text is "". Raises
    BtfError for malformed types. ``layout`` are the fields and the size of records that the types
    do not describe. Its methods raise DecodeError for a batch that holds fewer bytes
    than it claims.
    """

    def __init__(
        self,
        schema: Schema,
        budget: Budget | None = None,
        *,
        layout: tuple[tuple[Field, ...], int] | None = None,
    ) -> None:
        if not isinstance(schema, Schema):
            from beepy.arguments import wrong_type  # noqa: PLC0415 - only on the way to an error

            raise wrong_type("schema", "a Schema, such as batch.schema", schema)
        self.schema = schema
        self._is_stream = schema.is_stream
        if layout:
            self.fields, self.size = layout
        else:
            self.fields = fields(schema, budget)
            self.size = size_of(schema.btf, schema.record if self._is_stream else schema.key)
        self.choice: Choice | None = None  # of fields to show, made before sinks are opened
        self.plain = False  # numbers are shown without what they mean
        self.arranged = False  # its snapshots come in the order in which they are to be shown
        self._views: dict[tuple[str, tuple[Field, ...]], View] = {}
        self._derived: dict[str, Field | None] = {}
        self.asks: set[str] = set()  # functions of the machine that derived fields call
        self._pieces = Blocks([(0, f"{self.size}s")], safe(schema.map))
        self._flexible = any(field.flexible for field in self.fields)

    def shown(self, hidden: Container[str] = ()) -> tuple[Field, ...]:
        """Return the fields to show, in their order: those of ``choice``, else all.

        ``hidden`` are the names of those that are not shown unless they are chosen by name.
        """
        if self.choice:
            shown = self.choice.of(self.fields, hidden)
        else:
            shown = tuple([field for field in self.fields if field.name not in hidden])
        return tuple([_enum_as_number(field) for field in shown]) if self.plain else shown

    def own(self, name: str) -> Field | None:
        """Return the record's field with that name or label, None if there is none."""
        named = [field for field in self.fields if name in (field.name, field.label)]
        return next((field for field in named if field.name == name), named[0] if named else None)

    def named(self, name: str) -> Field | None:
        """Return the field with that name or label, or the derived one, None if there is none."""
        field = self.own(name)
        if field:
            return field
        if name not in self._derived:
            from beepy.events import derived  # noqa: PLC0415 - most runs show records alone

            self._derived[name] = derived.field(self, name)
            if self._derived[name]:
                self.asks.update(derived.TABLE[name].asks)
        return self._derived[name]

    def view(self, wanted: Sequence[Field], finish: Finish, absent: object = None) -> "View":
        """Return a view of the ``wanted`` fields, compiled once for all batches.

        ``finish(field)`` is a function that is applied to each value of the field, or None.
        ``absent`` is the value of a field that a record is too short for, and of a derived one that
        is not known; if ``absent`` is None, ``finish`` is applied to the None of the latter.
        """
        return View(self.schema, self.size, tuple(wanted), finish, absent)

    def values(self, batch: Batch, wanted: Sequence[Field]) -> list[list[Value]]:
        """Return one column for each field, with one value for each row."""
        return self._view("values", wanted, _unchanged, None).columns(batch)

    def texts(self, batch: Batch, wanted: Sequence[Field]) -> list[list[str]]:
        """Return one column of Go's texts for each field; they are not safe for a terminal."""
        return self._view("texts", wanted, lambda field: field.codec.text, "").columns(batch)

    def raw(self, batch: Batch) -> list[bytes]:
        """Return the bytes of each record, or of a table's keys, that its fields are read from."""
        size = self.size
        if self._is_stream and (self._flexible or batch.length < size):
            size = batch.length
        if size == self.size:
            blocks = self._pieces.run(batch.parts[RECORD], batch.records)
            return [piece for pieces, _ in blocks for piece in pieces]
        return records_of(batch, safe(self.schema.map))

    def __repr__(self) -> str:
        return f"Decoder({self.schema.map[:50]!r}, {len(self.fields)} fields, {self.size} bytes)"

    def _view(self, kind: str, wanted: Sequence[Field], finish: Finish, absent: object) -> "View":
        key = (kind, tuple(wanted))
        view = self._views.get(key)
        if view is None:
            view = self._views[key] = self.view(wanted, finish, absent)
        return view


class View:
    """Some fields of a schema's batches, with a function that is applied to the values of each."""

    def __init__(
        self,
        schema: Schema,
        size: int,
        wanted: tuple[Field, ...],
        finish: Finish,
        absent: object,
    ) -> None:
        self._schema = schema
        self._is_stream = schema.is_stream
        self._size = size
        self._wanted = wanted
        self._finish = finish
        self._absent = absent
        self._flexible = any(field.flexible for field in wanted)
        self._readers: dict[
            Field, Callable[[Any], Any]
        ] = {}  # of arrays that the record's end cuts
        self._narrower: dict[tuple[Field, ...], View] = {}  # for short records
        self._blocks: dict[int, Blocks] = {}
        self._derivations = [field.derived for field in wanted if field.derived]
        origins: dict[Field, _Origin] = {}
        for part in {field.part for field in wanted if not self._derivations}:
            copies = schema.cpus if part == VALUE and is_summed(schema) else 0
            members = [field for field in wanted if field.part == part]
            slots, part_origins = _lay_out(members, copies, schema.value_size, finish)
            self._blocks[part] = Blocks(slots, safe(schema.map))
            origins.update(part_origins)
        self._origins = [origins[field] for field in wanted if not self._derivations]
        # if the items of the only part come in the order of the wanted fields, as they mostly do,
        # rows() needs no columns in between
        in_order = [origin.columns for origin in self._origins] == [
            (k,) for k in range(len(wanted))
        ]
        self._direct = in_order and len(self._blocks) == 1
        if self._derivations:
            own = [field for field in wanted if not field.derived]
            sources = [field for derived in self._derivations for field in derived.sources]
            self._own = View(schema, size, tuple(dict.fromkeys(own)), finish, absent)
            self._sources = View(schema, size, tuple(dict.fromkeys(sources)), _unchanged, None)

    def absent(self, batch: Batch) -> tuple[int, ...]:
        """Return the positions of the wanted fields that the batch's records are too short for."""
        if batch.length >= self._size or not self._is_stream:
            return ()
        fields_at = enumerate(self._wanted)
        return tuple([at for at, field in fields_at if not field.is_in(batch.length)])

    def columns(self, batch: Batch) -> list[list[Any]]:
        """Return one column for each field."""
        if self._derivations:
            return self._derived_columns(batch)
        if not self._is_whole(batch):
            return self._short_columns(batch)
        parts = {
            part: blocks.columns(batch.parts[part], batch.records)
            for part, blocks in self._blocks.items()
        }
        return [_column(origin, parts[origin.part]) for origin in self._origins]

    def rows(self, batch: Batch) -> Iterator[tuple[tuple[Any, ...], int]]:
        """Yield (the values of some rows one after the other, the number of those rows)."""
        width = len(self._origins)
        if not self._direct or not self._is_whole(batch):
            yield from _interleaved(self.columns(batch), batch.records)
            return
        ((part, blocks),) = self._blocks.items()
        converts = [
            (at, origin.convert) for at, origin in enumerate(self._origins) if origin.convert
        ]
        for flat, count in blocks.run(batch.parts[part], batch.records):
            # these are rows already: only the columns that have a function are replaced
            items = list(flat)
            for at, convert in converts:
                items[at::width] = map(convert, flat[at::width])
            yield tuple(items), count

    def _is_whole(self, batch: Batch) -> bool:
        """Return whether the end of the records does not matter for the wanted fields."""
        return not self._is_stream or (batch.length >= self._size and not self._flexible)

    def _short_columns(self, batch: Batch) -> list[list[Any]]:
        """Return the columns of records of which the end matters.

        ::

            | pid | comm | args... |     whole: pid, comm       cut: args, read one by one
                             ^ end of the records               absent: all fields after it
        """
        records = records_of(batch, safe(self._schema.map))
        length = batch.length
        present = [field for field in self._wanted if field.is_in(length)]
        cut_off = [f for f in present if f.flexible or f.start + f.codec.size > length]
        whole = tuple([field for field in present if field not in cut_off])
        columns = dict(zip(whole, self._narrow(whole).columns(batch), strict=True))
        for field in cut_off:
            read = self._reader(field)
            columns[field] = [read(record[field.start :]) for record in records]
        return [columns.get(field) or [self._absent] * batch.records for field in self._wanted]

    def by_field(self, batch: Batch) -> dict[Field, list[Any]]:
        """Return the columns by field."""
        return dict(zip(self._wanted, self.columns(batch), strict=True))

    def _derived_columns(self, batch: Batch) -> list[list[Any]]:
        """Return the columns of fields of which some are computed from others."""
        columns, sources = self._own.by_field(batch), self._sources.by_field(batch)
        for field in self._wanted:
            if field.derived and field not in columns:
                values = field.derived.compute(
                    [sources[source] for source in field.derived.sources], batch
                )
                columns[field] = self._finished(field, values)
        return [columns[field] for field in self._wanted]

    def _finished(self, field: Field, values: list[Value]) -> list[Any]:
        finish, absent = self._finish(field) or _same, self._absent
        if absent is None:
            return list(map(finish, values))
        return [absent if value is None else finish(value) for value in values]

    def _narrow(self, whole: tuple[Field, ...]) -> "View":
        """Return a view of the fields that the records hold completely."""
        view = self._narrower.get(whole)
        if view is None:
            if len(self._narrower) >= _MAX_VIEWS:
                self._narrower.clear()
            size = max([field.start + field.codec.size for field in whole], default=0)
            view = View(self._schema, size, whole, self._finish, self._absent)
            self._narrower[whole] = view
        return view

    def _reader(self, field: Field) -> Callable[[Any], Any]:
        """Return what reads an array from its bytes, which extend to the end of the record."""
        read = self._readers.get(field)
        if read is None:
            read = _chain(field.codec, field.codec.value, self._finish(field))
            assert read, "an array of bytes has a function that reads it"
            self._readers[field] = read
        return read


def _lay_out(
    wanted: Sequence[Field], copies: int, value_size: int, finish: Finish
) -> tuple[list[Slot], dict[Field, _Origin]]:
    """Return the slots of one part and each field's origin; ``copies`` is the CPUs to sum over."""
    slots: list[Slot] = []
    origins: dict[Field, _Origin] = {}
    for start, end, group in _groups(wanted):
        # fields that share bytes (a union, bitfields) are unpacked as one item of bytes, and each
        # is cut out of it; members of a union that are read alike need no cutting
        alike = len({(field.start, field.codec.code) for field in group}) == 1
        for field in group:
            convert = field.codec.value if alike else cut(field.codec, field.start - start)
            after = finish(field)
            if copies:
                columns = tuple(range(len(slots), len(slots) + copies))
                origins[field] = _Origin(field.part, columns, convert, after)
            else:
                convert = _chain(field.codec, convert, after)
                origins[field] = _Origin(field.part, (len(slots),), convert)
        code = group[0].codec.code if alike else f"{end - start}s"
        step = -(-value_size // 8) * 8  # the kernel's round_up(value_size, 8)
        slots += [(start + step * cpu, code) for cpu in range(copies or 1)]
    return slots, origins


def _groups(wanted: Sequence[Field]) -> Iterator[tuple[int, int, list[Field]]]:
    """Yield (first byte, byte after the last, fields) for overlapping fields, in byte order."""
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


def _unchanged(_field: Field) -> Convert:
    return None


def _enum_as_number(field: Field) -> Field:
    codec = field.codec
    is_enum = codec.to_number is not None and "?" not in (codec.code, codec.integer)
    number = codec.as_number() if is_enum else None
    return field._replace(codec=number) if number else field


def _same(value: Value) -> Value:
    return value


def _chain(codec: Codec, first: Convert, then: Convert) -> Convert:
    """Return a function that applies both in turn; it remembers results if they are cacheable."""
    both = (lambda item: then(first(item))) if first and then else first or then
    return Memo(both).__getitem__ if both and codec.cacheable else both


def _column(origin: _Origin, columns: list[list[Any]]) -> list[Any]:
    chosen = [columns[at] for at in origin.columns]
    if origin.convert:
        chosen = [list(map(origin.convert, column)) for column in chosen]
    column = chosen[0] if len(chosen) == 1 else list(map(sum, zip(*chosen, strict=True)))
    return list(map(origin.after, column)) if origin.after else column


def _interleaved(columns: list[list[Any]], total: int) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Yield columns as ``View.rows`` does, by writing each with a stride."""
    width = len(columns)
    step = max(MAX_ITEMS // max(width, 1), 1)
    for start in range(0, total, step):
        count = min(step, total - start)
        items: list[Any] = [None] * (count * width)
        for at, column in enumerate(columns):
            items[at::width] = column[start : start + count]
        yield tuple(items), count
