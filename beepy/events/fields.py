"""The fields of a map's records: every leaf of its types, with its name and its offset."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from beepy.btf import types
from beepy.btf.layout import MAX_DEPTH, size_of, skip_mods_and_typedefs, typedef_names
from beepy.btf.types import VOID, Bits, Composite, TypeId
from beepy.errors import BtfError
from beepy.events import go_format, semantics
from beepy.events.batch import Batch, Schema
from beepy.events.budget import Budget
from beepy.events.codec import Codec, Value
from beepy.events.compile import MAX_CALLS, Compiler, MemberAt, distinct, is_bool

RECORD: Final = 0  # or a table's key
VALUE: Final = 1
CPU: Final = 2

RESERVED: Final = frozenset(("map", "time"))
"""What every row has besides its fields."""

_CPU: Final = Codec(code="I", size=4, value=None, text=str, width=4, number=True)


class Derivation(NamedTuple):
    """How a field is computed that is not in the record: from the columns of its ``sources``."""

    sources: "tuple[Field, ...]"
    compute: Callable[[Sequence[list[Value]], Batch], list[Value]]


class Field(NamedTuple):
    """One leaf: a scalar, a text, or a whole array.

    ``path`` has the names of the members that lead to it; a name that its level has already gets
    ``_`` appended. ``name`` is the path joined by ``.``. ``label`` joins the names in BTF by ``_``,
    and is distinct. ``offset`` and ``bits`` are its place, in bits, within ``part``: ``RECORD``
    (the record, or a table's key), ``VALUE`` or ``CPU``. ``typedefs`` are the names of its type,
    the outermost first. ``owners`` are the names of the types of the members in ``path``, but for
    the last. ``flexible``: it is an array without a length at the end of a record, and extends to
    where the record ends. ``derived``: it is not in the record, and computed so.
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
    owners: tuple[str, ...] = ()
    derived: Derivation | None = None

    def is_in(self, length: int) -> bool:
        """Return whether a record of ``length`` bytes has the field.

        It has an array of bytes if it has its first byte; of any other field it must have all.
        """
        if self.codec.open_ended:
            return self.start < length + self.flexible  # a flexible one may have no byte at all
        return self.start + self.codec.size <= length


def is_summed(schema: Schema) -> bool:
    """Return whether the values of a per-CPU table are integers, which are added up over CPUs.

    Other values have a row for each CPU. So do integers of a typedef that makes them something else
    than a number, such as an address.
    """
    if not schema.cpus:
        return False
    for row in semantics.rows(schema.btf, schema.value):
        if not any(codec.number for codec in row.values()):
            return False
    _, value = skip_mods_and_typedefs(schema.btf, schema.value)
    return isinstance(value, types.Int) and not is_bool(value)


def fields(schema: Schema, budget: Budget | None = None) -> tuple[Field, ...]:
    """Return the fields of a map's records, in the order of the struct.

    Those of a table are its key's, then ``cpu`` where each CPU has a row, then its value's.
    ``budget`` bounds what the records of several maps cost together. Raises BtfError for a
    malformed type.
    """
    leaves = tuple(_fields(schema, budget or Budget()))
    if schema.is_stream:
        end = max([field.start + field.codec.size for field in leaves], default=0)
        leaves = tuple([field._replace(flexible=_is_flexible(field, end)) for field in leaves])
    if schema.vocabulary:
        from beepy.events import gadget_fields  # noqa: PLC0415 - bee's images have no vocabulary

        leaves = gadget_fields.of(schema, leaves)
    if sum([field.codec.calls_per_value for field in leaves]) > MAX_CALLS:
        raise BtfError(f"{schema.btf.name}: more than {MAX_CALLS} values in a record")
    return leaves


def _is_flexible(field: Field, end: int) -> bool:
    """Return whether a field is an array without a length where all others end, at ``end``."""
    return field.codec.open_ended and not field.codec.size and field.start >= end


def _fields(schema: Schema, budget: Budget) -> Iterator[Field]:
    walk = _FieldWalk(schema, budget)
    if schema.is_stream:
        yield from walk.part(schema.record, RECORD, "value", inline=True)
        return
    yield from walk.part(schema.key, RECORD, "key", inline=True)
    if schema.cpus and not is_summed(schema):
        yield walk.cpu()
    # the rows of a vocabulary are flat, as those of its own tools are
    yield from walk.part(schema.value, VALUE, "value", inline=bool(schema.vocabulary))


class _Level(NamedTuple):
    """A struct whose members are walked.

    ``path`` and ``btf_path`` are the names that lead to it, as they are shown and as BTF has them;
    ``owners`` are the names of their types; ``base`` is its first bit in the part.
    """

    path: tuple[str, ...]
    btf_path: tuple[str, ...]
    part: int
    base: int
    owners: tuple[str, ...] = ()


class _FieldWalk:
    """Walks the types of one map down to their leaves, and keeps the names distinct.

    ::

        struct event {                       path                name        label
          u32 pid;                           ("pid",)            pid         pid
          struct { u16 port; } peer;         ("peer", "port")    peer.port   peer_port
          union { u32 v4; u8 v6[16]; };      ("v4",), ("v6",)    v4, v6      v4, v6
        };
    """

    def __init__(self, schema: Schema, budget: Budget) -> None:
        self._btf = schema.btf
        self._budget = budget
        self._kernel = schema.kernel
        self._texts = schema.texts
        self._compiler = Compiler(schema.btf, schema.kernel, budget)
        self._top = set(RESERVED)
        self._names: set[str] = set()
        self._labels: set[str] = set()

    def part(self, type_id: TypeId, part: int, name: str, *, inline: bool) -> Iterator[Field]:
        """Return the fields of one part.

        The members of a struct are at the top level if ``inline``, else under ``name``.
        """
        self._compiler = Compiler(self._btf, self._kernel, self._budget)  # its bounds are per part
        level = _Level((), (), part, 0)
        composite = self._compiler.composite(type_id)
        if composite and inline:
            return self._members(composite, self._top, level)
        return self._member(MemberAt(distinct(name, self._top), name, type_id, Bits(0), 0), level)

    def cpu(self) -> Field:
        """Return the field with the number of the CPU."""
        name = distinct("cpu", self._top)
        return Field(
            name=distinct(name, self._names),
            path=(name,),
            label=distinct("cpu", self._labels),
            type=VOID,
            offset=Bits(0),
            bits=32,
            part=CPU,
            start=0,
            codec=_CPU,
        )

    def _members(self, composite: Composite, taken: set[str], level: _Level) -> Iterator[Field]:
        if len(level.path) > MAX_DEPTH:
            raise BtfError(f"{self._btf.name}: a record nested deeper than {MAX_DEPTH}")
        for member in self._compiler.members(composite, taken):
            yield from self._member(member, level)

    def _member(self, member: MemberAt, level: _Level) -> Iterator[Field]:
        path, btf_path = (*level.path, member.name), (*level.btf_path, member.btf_name)
        offset = level.base + member.offset
        composite = self._compiler.composite(member.type)
        if composite:
            owners = (*level.owners, composite.name)
            inner = _Level(path, btf_path, level.part, offset, owners)
            yield from self._members(composite, set(), inner)
            return
        start, codec = self._compiler.leaf(member, len(path))
        name = distinct(".".join(path), self._names)
        if name in self._texts:
            codec = codec._replace(
                value=go_format.text, text=str, cacheable=True, open_ended=True, inner=()
            )
        yield Field(
            name=name,
            path=path,
            label=distinct("_".join(btf_path), self._labels),
            type=member.type,
            offset=Bits(offset),
            bits=member.bits or self._bits(member.type),
            part=level.part,
            start=start + level.base // 8,
            codec=codec,
            typedefs=tuple(typedef_names(self._btf, member.type)),
            owners=level.owners,
        )

    def _bits(self, type_id: TypeId) -> int:
        _, resolved = skip_mods_and_typedefs(self._btf, type_id)
        return resolved.bits if isinstance(resolved, types.Int) else 8 * size_of(self._btf, type_id)
