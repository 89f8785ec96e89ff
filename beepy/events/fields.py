"""The fields of a map's records: every leaf of its types, with its name and its place."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from beepy.btf import types
from beepy.btf.layout import MAX_DEPTH, size_of, skip_mods_and_typedefs, typedef_names
from beepy.btf.types import VOID, Bits, Composite, TypeId
from beepy.errors import BtfError
from beepy.events import go_format
from beepy.events.batch import Schema
from beepy.events.budget import Budget
from beepy.events.codec import Codec
from beepy.events.compile import MAX_CALLS, Compiler, Meanings, MemberAt, distinct, is_bool
from beepy.events.semantics import TABLE

RECORD: Final = 0  # or a table's key
VALUE: Final = 1
CPU: Final = 2

_RESERVED: Final = frozenset(("map", "time"))  # what every row has besides its fields
_CPU = Codec("I", 4, None, str, width=4, number=True)


class Field(NamedTuple):
    """One leaf: a scalar, a text, or a whole array.

    ``path`` are the names of the members that lead to it; a name that its level has already gets ``_`` appended.
    ``name`` is the path joined by ``.``. ``label`` joins the names that BTF has by ``_``, and differs from every other
    label. ``offset`` and ``bits`` say where it is in part ``part``: 0 the record or a table's key, 1 a table's value,
    2 the number of the CPU. ``typedefs`` are the names of its type, the outermost first. ``flexible``: it is an array
    without a length at the end of a record, and reaches to where the record ends.
    """

    name: str
    path: tuple[str, ...]
    label: str
    type: TypeId
    offset: Bits
    bits: int
    part: int
    start: int  # the byte where its item begins
    codec: Codec
    typedefs: tuple[str, ...] = ()
    flexible: bool = False

    def is_in(self, length: int) -> bool:
        """Tell whether a record of so many bytes has the field: all of it, or the beginning of an array of bytes."""
        if self.codec.open:
            return self.start < length + self.flexible
        return self.start + self.codec.size <= length


def is_summed(schema: Schema) -> bool:
    """Tell whether the values of a per-CPU table are integers, which are added up; others have a row for each CPU.

    A typedef whose meaning is no number, such as an address, is not added up.
    """
    rows = [TABLE[name] for name in typedef_names(schema.btf, schema.value) if name in TABLE]
    if not schema.cpus or any(not any(codec.number for codec in row.values()) for row in rows):
        return False
    _, value = skip_mods_and_typedefs(schema.btf, schema.value)
    return isinstance(value, types.Int) and not is_bool(value)


def fields(schema: Schema, meanings: Meanings, budget: Budget | None = None) -> tuple[Field, ...]:
    """Return the fields in the order of the struct; of a table the key's, ``cpu`` where there is one, the value's.

    ``budget`` is what several records together may cost. Raises BtfError for a malformed type.
    """
    leaves = tuple(_fields(schema, meanings, budget or Budget()))
    if schema.is_stream:
        end = max([field.start + field.codec.size for field in leaves], default=0)
        leaves = tuple([field._replace(flexible=_is_flexible(field, end)) for field in leaves])
    if sum([field.codec.calls_per_value for field in leaves]) > MAX_CALLS:
        raise BtfError(f"{schema.btf.name}: more than {MAX_CALLS} values in a record")
    return leaves


def _is_flexible(field: Field, end: int) -> bool:
    """Tell whether a field is an array without a length at the end of a record, whose other fields end at ``end``."""
    return field.codec.open and not field.codec.size and field.start >= end


def _fields(schema: Schema, meanings: Meanings, budget: Budget) -> Iterator[Field]:
    walk = _Walk(schema, budget)
    if schema.is_stream:
        yield from walk.part(schema.record, meanings, RECORD, "value", inline=True)
        return
    yield from walk.part(schema.key, meanings, RECORD, "key", inline=True)
    summed = is_summed(schema)
    if schema.cpus and not summed:
        yield walk.cpu()
    yield from walk.part(schema.value, {} if summed else meanings, VALUE, "value", inline=False)


class _Spot(NamedTuple):
    """A struct that the walk is in.

    ``path`` and ``own`` are the names that lead to it, as they are shown and as BTF has them; ``base`` is its first bit
    in the part.
    """

    path: tuple[str, ...]
    own: tuple[str, ...]
    part: int
    base: int


class _Walk:
    def __init__(self, schema: Schema, budget: Budget) -> None:
        self._btf = schema.btf
        self._budget = budget
        self._kernel = schema.kernel
        self._texts = schema.texts
        self._compiler = Compiler(schema.btf, {}, schema.kernel, budget)
        self._top = set(_RESERVED)
        self._names: set[str] = set()
        self._labels: set[str] = set()

    def part(self, type_id: TypeId, meanings: Meanings, part: int, name: str, *, inline: bool) -> Iterator[Field]:
        """Return the fields of one part.

        The members of a struct are at the top level if ``inline``, else under ``name``.
        """
        self._compiler = Compiler(self._btf, meanings, self._kernel, self._budget)
        spot = _Spot((), (), part, 0)
        composite = self._compiler.composite(type_id)
        if composite and inline:
            return self._members(composite, self._top, spot)
        return self._member(MemberAt(distinct(name, self._top), name, type_id, Bits(0), 0), spot)

    def cpu(self) -> Field:
        name = distinct("cpu", self._top)
        label = distinct("cpu", self._labels)
        return Field(
            name=distinct(name, self._names),
            path=(name,),
            label=label,
            type=VOID,
            offset=Bits(0),
            bits=32,
            part=CPU,
            start=0,
            codec=_CPU,
        )

    def _members(self, composite: Composite, taken: set[str], spot: _Spot) -> Iterator[Field]:
        if len(spot.path) > MAX_DEPTH:
            raise BtfError(f"{self._btf.name}: a record nested deeper than {MAX_DEPTH}")
        for member in self._compiler.members(composite, taken):
            yield from self._member(member, spot)

    def _member(self, member: MemberAt, spot: _Spot) -> Iterator[Field]:
        path, own = (*spot.path, member.name), (*spot.own, member.own)
        at = spot.base + member.offset
        composite = self._compiler.composite(member.type)
        if composite:
            yield from self._members(composite, set(), _Spot(path, own, spot.part, at))
            return
        start, codec = self._compiler.leaf(member, len(path))
        name, label = distinct(".".join(path), self._names), distinct("_".join(own), self._labels)
        if name in self._texts:
            codec = codec._replace(value=go_format.text, text=str, cacheable=True, open=True)
        bits = member.bits or self._bits(member.type)
        start += spot.base // 8
        yield Field(
            name=name,
            path=path,
            label=label,
            type=member.type,
            offset=Bits(at),
            bits=bits,
            part=spot.part,
            start=start,
            codec=codec,
            typedefs=tuple(typedef_names(self._btf, member.type)),
        )

    def _bits(self, type_id: TypeId) -> int:
        _, resolved = skip_mods_and_typedefs(self._btf, type_id)
        return resolved.bits if isinstance(resolved, types.Int) else 8 * size_of(self._btf, type_id)
