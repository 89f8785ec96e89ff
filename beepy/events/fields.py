"""The fields of a map's records: every leaf of its types, with its name and its place."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from beepy.btf import types
from beepy.btf.layout import MAX_DEPTH, resolve, size_of
from beepy.btf.types import VOID, Bits, Composite, Modifier, TypeId
from beepy.errors import BtfError
from beepy.events import render
from beepy.events.batch import Schema
from beepy.events.budget import Budget
from beepy.events.codec import Codec
from beepy.events.compile import MAX_COST, Compiler, Meanings, Place, distinct, is_bool
from beepy.events.semantics import TABLE

RECORD: Final = 0  # or a table's key
VALUE: Final = 1
CPU: Final = 2

_RESERVED: Final = frozenset(("map", "time"))  # what every row has besides its fields
_CPU = Codec("I", 4, None, str, width=4, number=True)


class Field(NamedTuple):
    """One leaf: a scalar, a text, or a whole array.

    ``path`` are the names to it, those that exist already with ``_`` appended; ``name`` is the path joined by ``.``;
    ``label`` joins the members' own names by ``_`` and avoids only other labels. ``offset`` and ``bits`` are its place
    in part ``part``: 0 the record or a table's key, 1 a table's value, 2 the number of the CPU. ``typedefs`` are the
    names of its type, the outermost first. ``flexible``: it is an array without a length at the end of a record, and
    reaches to where the record ends.
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
    """Say whether a per-CPU table's values are integers to add up; all other per-CPU values are a row a CPU."""
    type_id = schema.value
    for _ in range(MAX_DEPTH):
        match schema.btf.type(type_id):
            case types.Typedef(name, target):
                if name in TABLE and name != "duration":
                    return False
                type_id = target
            case types.Const(target) | types.Volatile(target) | types.Restrict(target) | types.TypeTag(_, target):
                type_id = target
            case found:
                return bool(schema.cpus) and isinstance(found, types.Int) and not is_bool(found)
    return False


def fields(schema: Schema, meanings: Meanings, budget: Budget | None = None) -> tuple[Field, ...]:
    """Return the fields in the order of the struct; of a table the key's, ``cpu`` where there is one, the value's.

    ``budget`` is what several records together may cost. Raises BtfError for a malformed type.
    """
    found = tuple(_fields(schema, meanings, budget or Budget()))
    if schema.record != VOID:
        end = max([field.start + field.codec.size for field in found], default=0)
        found = tuple([field._replace(flexible=_is_flexible(field, end)) for field in found])
    if sum([field.codec.cost for field in found]) > MAX_COST:
        raise BtfError(f"{schema.btf.name}: more than {MAX_COST} values in a record")
    return found


def _is_flexible(field: Field, end: int) -> bool:
    """Tell whether a field of a record, whose others end at byte ``end``, is an array without a length behind them."""
    return field.codec.open and not field.codec.size and field.start >= end


def _fields(schema: Schema, meanings: Meanings, budget: Budget) -> Iterator[Field]:
    walk = _Walk(schema, budget)
    if schema.record != VOID:
        yield from walk.part(schema.record, meanings, RECORD, "value", inline=True)
        return
    yield from walk.part(schema.key, meanings, RECORD, "key", inline=True)
    summed = is_summed(schema)
    if schema.cpus and not summed:
        yield walk.cpu()
    yield from walk.part(schema.value, {} if summed else meanings, VALUE, "value", inline=False)


class _Spot(NamedTuple):
    """Where the walk stands: the names that led there, as they are shown and as BTF has them, and the bit."""

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
        """Walk one part; the members of a struct stand at the top level if ``inline``, else under ``name``."""
        self._compiler = Compiler(self._btf, meanings, self._kernel, self._budget)
        spot = _Spot((), (), part, 0)
        composite = self._compiler.composite(type_id)
        if composite and inline:
            return self._members(composite, self._top, spot)
        return self._member(Place(distinct(name, self._top), name, type_id, Bits(0), 0), spot)

    def cpu(self) -> Field:
        name = distinct("cpu", self._top)
        label = distinct("cpu", self._labels)
        return Field(distinct(name, self._names), (name,), label, VOID, Bits(0), 32, CPU, 0, _CPU)

    def _members(self, composite: Composite, taken: set[str], spot: _Spot) -> Iterator[Field]:
        if len(spot.path) > MAX_DEPTH:
            raise BtfError(f"{self._btf.name}: a record nested deeper than {MAX_DEPTH}")
        for place in self._compiler.members(composite, taken):
            yield from self._member(place, spot)

    def _member(self, place: Place, spot: _Spot) -> Iterator[Field]:
        path, own = (*spot.path, place.name), (*spot.own, place.own)
        at = spot.base + place.offset
        composite = self._compiler.composite(place.type)
        if composite:
            yield from self._members(composite, set(), _Spot(path, own, spot.part, at))
            return
        start, codec = self._compiler.leaf(place, len(path))
        name, label = distinct(".".join(path), self._names), distinct("_".join(own), self._labels)
        if name in self._texts:
            codec = codec._replace(value=render.text, text=str, few=True, open=True, inner=())
        bits = place.bits or self._bits(place.type)
        start += spot.base // 8
        names = tuple(self._typedefs(place.type))
        yield Field(name, path, label, place.type, Bits(at), bits, spot.part, start, codec, names)

    def _typedefs(self, type_id: TypeId) -> Iterator[str]:
        found = self._btf.type(type_id)
        while isinstance(found, Modifier):  # resolve() has bounded their number
            if isinstance(found, types.Typedef):
                yield found.name
            found = self._btf.type(found.type)

    def _bits(self, type_id: TypeId) -> int:
        _, found = resolve(self._btf, type_id)
        return found.bits if isinstance(found, types.Int) else 8 * size_of(self._btf, type_id)
