"""Look into structs by offset: what begins there, and whether a store fits its members.

Types are those of an untrusted object: nesting and work are bounded.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import MAX_NESTED, size_of, skip_mods_and_typedefs
from beepy.btf.types import Type, TypeId
from beepy.flow.budget import Budget

_MEMBER: Final = 4  # what it costs
_INTEGERS: Final = (types.Int, types.Enum, types.Enum64)


class Place(NamedTuple):
    """A type, and an offset in it in bytes; ``bitfield``: the type is not stored whole."""

    type: TypeId
    offset: int
    bitfield: bool = False


def composites(btf: Btf, place: Place, size: int | None, budget: Budget) -> Iterator[TypeId]:
    """Yield the structs and unions that begin at a place, outermost first.

    With a ``size``, only those of that many bytes. Raises BtfError for malformed types.
    """
    for inner, type_id, type_ in _nested(btf, place, budget):
        if inner.offset or not isinstance(type_, types.Struct | types.Union):
            continue
        if size in (None, type_.size):
            yield type_id


def fits(btf: Btf, place: Place, size: int, budget: Budget) -> bool:
    """Tell whether compiled code may store ``size`` bytes at a place.

    It may not store a part of an integer or pointer, unless that is unaligned or one of several
    members of a union. Raises BtfError for malformed types.
    """
    if budget.left < 0:
        return True
    scalars = [
        (inner, size_of(btf, type_id))
        for inner, type_id, type_ in _nested(btf, place, budget)
        if isinstance(type_, (*_INTEGERS, types.Ptr, types.Float))
    ]
    return not scalars or any(
        inner.bitfield
        or (not inner.offset and size >= whole)
        or (place.offset - inner.offset) % (whole or 1)
        for inner, whole in scalars
    )


def _nested(btf: Btf, place: Place, budget: Budget) -> Iterator[tuple[Place, TypeId, Type]]:
    """Yield the types that a place lies in, from the outermost to scalars."""
    places = [place]
    for _ in range(MAX_NESTED):
        inner: list[Place] = []
        for outer in places:
            type_id, type_ = skip_mods_and_typedefs(btf, outer.type)
            yield outer, type_id, type_
            if isinstance(type_, types.Array):
                size = size_of(btf, type_.type)
                if size and 0 <= outer.offset < size * type_.nelems:
                    inner.append(Place(type_.type, outer.offset % size))
            elif isinstance(type_, types.Struct | types.Union):
                if not budget.spend(_MEMBER * len(type_.members)):
                    return
                inner += _members(btf, type_, outer.offset)
        places = inner


def _members(btf: Btf, composite: types.Composite, offset: int) -> Iterator[Place]:
    """Yield the members that a byte of a struct or union lies in."""
    for member in composite.members:
        start = member.offset // 8
        if start <= offset and (
            offset < start + size_of(btf, member.type) or bool(member.bitfield_size)
        ):
            yield Place(member.type, offset - start, bool(member.bitfield_size))
