"""Walk over types: past modifiers and typedefs, over members, to sizes.

Each walk is bounded, for types may be malformed.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.types import Bits, Member, Type, TypeId
from beepy.errors import BtfError

MAX_DEPTH: Final = 32  # libbpf's MAX_RESOLVE_DEPTH
MAX_NESTED: Final = 64  # structs in a struct; libbpf's BPF_CORE_SPEC_MAX_LEN
MAX_SIZE: Final = 1 << 31  # bytes; the kernel takes sizes as u32
POINTER_SIZE: Final = 8

# tuples, which isinstance takes three times as fast as a match
_MODS_AND_TYPEDEFS: Final = (
    types.Const,
    types.Volatile,
    types.Restrict,
    types.Typedef,
    types.TypeTag,
)
_SIZED: Final = (
    types.Int,
    types.Struct,
    types.Union,
    types.Enum,
    types.Enum64,
    types.Float,
    types.DataSec,
)


def skip_mods(btf: Btf, type_id: TypeId) -> TypeId:
    """Return the id of the type without const, volatile, restrict and type tags."""
    for _ in range(MAX_DEPTH):
        match btf.type(type_id):
            case (
                types.Const(target)
                | types.Volatile(target)
                | types.Restrict(target)
                | types.TypeTag(_, target)
            ):
                type_id = target
            case _:
                return type_id
    raise BtfError(f"{btf.name}: type {type_id}: modifiers nested deeper than {MAX_DEPTH}")


def skip_mods_and_typedefs(btf: Btf, type_id: TypeId) -> tuple[TypeId, Type]:
    """Return the type without its modifiers and typedefs, and the id of it."""
    for _ in range(MAX_DEPTH):
        type_ = btf.type(type_id)
        if not isinstance(type_, _MODS_AND_TYPEDEFS):
            return type_id, type_
        type_id = type_.type
    raise BtfError(f"{btf.name}: type {type_id}: modifiers nested deeper than {MAX_DEPTH}")


def typedef_names(btf: Btf, type_id: TypeId) -> Iterator[str]:
    """Yield the names of the typedefs that ``skip_mods_and_typedefs`` skips, outermost first."""
    for _ in range(MAX_DEPTH):
        type_ = btf.type(type_id)
        if isinstance(type_, types.Typedef):
            yield type_.name
        elif not isinstance(type_, _MODS_AND_TYPEDEFS):
            return
        type_id = type_.type


class MemberHit(NamedTuple):
    """A named member of a struct or union, perhaps in an anonymous one within it.

    ``offset`` counts bits from the beginning of the outermost composite. ``owner`` is the composite
    that lists the member as its ``number``-th; ``steps`` counts the composites down to it.
    """

    owner: TypeId
    number: int
    member: Member
    offset: Bits
    steps: int


def named_members(btf: Btf, type_id: TypeId) -> Iterator[MemberHit]:
    """Yield the named members of a struct or union in their order.

    Members of anonymous structs and unions in it count too. An anonymous type counts once: a second
    member of that type would have the same names again.
    """
    yield from _named_members(btf, type_id, set(), 0, 1)


def _named_members(
    btf: Btf, type_id: TypeId, seen: set[TypeId], offset: int, steps: int
) -> Iterator[MemberHit]:
    type_id, composite = skip_mods_and_typedefs(btf, type_id)
    if type_id in seen or not isinstance(composite, types.Struct | types.Union):
        return
    if steps > MAX_NESTED:
        raise BtfError(f"{btf.name}: type {type_id}: nested deeper than {MAX_NESTED}")
    seen.add(type_id)
    for number, member in enumerate(composite.members):
        start = offset + member.offset
        if member.name:
            yield MemberHit(type_id, number, member, Bits(start), steps)
        else:
            yield from _named_members(btf, member.type, seen, start, steps + 1)


def integer_range(bits: int, *, signed: bool) -> tuple[int, int]:
    """Return the least and the largest value of an integer of so many bits, of at least one."""
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def size_of(btf: Btf, type_id: TypeId) -> int:
    """Return the bytes that a value of the type takes. Raises BtfError for a type without size."""
    count = 1
    for _ in range(MAX_DEPTH):
        _, type_ = skip_mods_and_typedefs(btf, type_id)
        if isinstance(type_, _SIZED):
            return _checked(btf, type_id, count * type_.size)
        match type_:
            case types.Ptr():
                return _checked(btf, type_id, count * POINTER_SIZE)
            case types.Array(element, _, nelems):
                count *= nelems
                type_id = element
            case types.Var(_, target, _) | types.DeclTag(_, target, _):
                type_id = target
            case _:
                raise BtfError(
                    f"{btf.name}: type {type_id}: {type(type_).__name__.lower()} has no size"
                )
    raise BtfError(f"{btf.name}: type {type_id}: arrays nested deeper than {MAX_DEPTH}")


def _checked(btf: Btf, type_id: TypeId, size: int) -> int:
    if size >= MAX_SIZE:
        raise BtfError(f"{btf.name}: type {type_id}: size {size} exceeds {MAX_SIZE}")
    return size


def align_of(btf: Btf, type_id: TypeId) -> int:
    """Return the alignment in bytes of a scalar, or of an array of them; 1 for anything else."""
    for _ in range(MAX_DEPTH):
        _, type_ = skip_mods_and_typedefs(btf, type_id)
        match type_:
            case types.Array(element, _, _):
                type_id = element
            case types.Ptr():
                return POINTER_SIZE
            case (
                types.Int(size=size)
                | types.Enum(size=size)
                | types.Enum64(size=size)
                | types.Float(size=size)
            ):
                return min(POINTER_SIZE, size) or 1
            case _:
                return 1
    raise BtfError(f"{btf.name}: type {type_id}: arrays nested deeper than {MAX_DEPTH}")
