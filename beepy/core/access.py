"""Parse what a CO-RE relocation is about: a type, a field of it, or an enumerator.

A field is an access string of indexes, as clang counts them::

    0 : 2 : 1 : 3       &p[0].c.b[3]
    |   |   |   element 3 of the array
    |   |   member 1 of the type of member 2
    |   member 2 of the struct that p points to
    index of the pointer p

The *accessors* are the steps that have a meaning in the target too: named members and array
elements. A step into an anonymous struct or union leaves none.
"""

from typing import Final, NamedTuple

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import MAX_NESTED, size_of, skip_mods_and_typedefs
from beepy.btf.types import TypeId
from beepy.errors import RelocationError
from beepy.obj.spec import CoreRef
from beepy.text import safe
from beepy.uapi import CoreReloKind

MAX_STEPS: Final = MAX_NESTED  # indexes of an access string
MAX_OFFSET: Final = 1 << 32  # bits; libbpf counts them in a u32
_MAX_TEXT: Final = 200  # characters

_MAX_INDEX: Final = (1 << 31) - 1

_FIELD_KINDS: Final = frozenset(
    range(CoreReloKind.FIELD_BYTE_OFFSET, CoreReloKind.FIELD_RSHIFT_U64 + 1)
)
_ENUM_KINDS: Final = frozenset((CoreReloKind.ENUMVAL_EXISTS, CoreReloKind.ENUMVAL_VALUE))

KIND_NAMES: Final = (  # libbpf's, by number
    "byte_off",
    "byte_sz",
    "field_exists",
    "signed",
    "lshift_u64",
    "rshift_u64",
    "local_type_id",
    "target_type_id",
    "type_exists",
    "type_size",
    "enumval_exists",
    "enumval_value",
    "type_matches",
)


class Accessor(NamedTuple):
    """One step of an access: a named member, or an element of an array.

    Of a member, ``type`` is the struct or union that lists it as its ``number``-th. Of an element,
    ``type`` is the element's type, and ``name`` is "". Of an enumerator, ``type`` is the enum.
    """

    type: TypeId
    number: int
    name: str


class AccessSpec(NamedTuple):
    """An access in one Btf, as libbpf's ``struct bpf_core_spec``.

    It leads from the beginning of the type ``root`` to ``offset`` (bits). ``steps`` counts the
    indexes of the access string, those of anonymous members included.
    """

    root: TypeId
    accessors: tuple[Accessor, ...] = ()
    offset: int = 0
    steps: int = 0


def of_field(kind: int) -> bool:
    """Tell whether relocations of ``kind`` are about a field."""
    return kind in _FIELD_KINDS


def of_enumerator(kind: int) -> bool:
    """Tell whether relocations of ``kind`` are about an enumerator."""
    return kind in _ENUM_KINDS


def parse(btf: Btf, ref: CoreRef) -> AccessSpec:
    """Return the access of ``ref`` in the object's own types.

    Raises RelocationError when the access string does not fit its type, BtfError when the types are
    malformed.
    """
    if not 0 <= ref.kind < len(KIND_NAMES):
        raise RelocationError(f"kind {ref.kind} is unknown")
    if of_enumerator(ref.kind):
        return _enumerator(btf, ref)
    if not of_field(ref.kind):
        if ref.access != "0":
            raise _wrong(ref, "expected 0 for a type")
        return AccessSpec(ref.type)
    return _field(btf, ref)


def is_flexible(btf: Btf, last: Accessor, array: types.Array) -> bool:
    """Tell whether ``array`` is a flexible array member: the last member ``x[]`` of a struct.

    ``last`` is the accessor that leads to it.
    """
    if not last.name or array.nelems:
        return False
    owner = btf.type(last.type)
    return isinstance(owner, types.Struct | types.Union) and last.number == len(owner.members) - 1


def checked(offset: int) -> int:
    """Return ``offset`` (bits). Raise RelocationError if libbpf's u32 cannot hold it."""
    if offset >= MAX_OFFSET:
        raise RelocationError(f"offset of {offset // 8} bytes is too large")
    return offset


def show(btf: Btf, spec: AccessSpec) -> str:
    """Return the access as C writes it: ``struct task_struct.comm[3]``, ``enum color::RED``."""
    root = btf.type(spec.root)
    keyword = type(root).__name__.lower().removesuffix("64")
    text = f"{keyword} {getattr(root, 'name', '') or '<anon>'}"
    for position, (_, number, name) in enumerate(spec.accessors):
        if name:
            text += f"{'.' if position else '::'}{name}"
        elif position or number:
            text += f"[{number}]"
    return safe(text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + "...")


def _wrong(ref: CoreRef, why: str) -> RelocationError:
    return RelocationError(f"access {safe(ref.access[:_MAX_TEXT])!r} of type {ref.type}: {why}")


def _indexes(ref: CoreRef) -> list[int]:
    # a step takes 10 digits and a colon at most
    numbers = ref.access.split(":") if len(ref.access) <= MAX_STEPS * 11 else ()
    if not numbers or not all(map(_is_index, numbers)):
        raise _wrong(ref, "not a list of indexes")
    indexes = [int(number) for number in numbers]
    if len(indexes) > MAX_STEPS or max(indexes) > _MAX_INDEX:
        raise _wrong(ref, f"exceeds {MAX_STEPS} steps or 31 bits")
    return indexes


def _is_index(text: str) -> bool:
    return len(text) <= 10 and text.isascii() and text.isdigit()


def _enumerator(btf: Btf, ref: CoreRef) -> AccessSpec:
    indexes = _indexes(ref)
    type_id, enum = skip_mods_and_typedefs(btf, ref.type)
    if not isinstance(enum, types.Enum | types.Enum64):
        raise _wrong(ref, "not an enum")
    if len(indexes) > 1 or indexes[0] >= len(enum.values):
        raise _wrong(ref, f"expected one of {len(enum.values)} enumerators")
    return AccessSpec(
        ref.type, (Accessor(type_id, indexes[0], enum.values[indexes[0]].name),), 0, 1
    )


def _field(btf: Btf, ref: CoreRef) -> AccessSpec:
    indexes = _indexes(ref)
    type_id, composite = skip_mods_and_typedefs(btf, ref.type)
    accessors = [Accessor(type_id, indexes[0], "")]
    offset = indexes[0] * size_of(btf, type_id) * 8
    for index in indexes[1:]:
        match composite:
            case types.Struct(members=members) | types.Union(members=members):
                if index >= len(members):
                    raise _wrong(ref, f"type {type_id} has only {len(members)} members")
                member = members[index]
                offset += member.offset
                if member.name:
                    accessors.append(Accessor(type_id, index, member.name))
                type_id, composite = skip_mods_and_typedefs(btf, member.type)
            case types.Array(element, _, nelems):
                if index >= nelems and not is_flexible(btf, accessors[-1], composite):
                    raise _wrong(ref, f"type {type_id} has only {nelems} elements")
                type_id, composite = skip_mods_and_typedefs(btf, element)
                accessors.append(Accessor(type_id, index, ""))
                offset += index * size_of(btf, type_id) * 8
            case _:
                raise _wrong(ref, f"type {type_id} has no members")
    return AccessSpec(ref.type, tuple(accessors), checked(offset), len(indexes))
