"""The value of a field, type or enumerator that a CO-RE relocation asks for, on either side."""

from typing import Final, NamedTuple

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.layout import size_of, skip_mods_and_typedefs
from beepy.btf.types import TypeId
from beepy.core.access import AccessSpec, of_enumerator, of_field
from beepy.errors import RelocationError
from beepy.uapi import CoreReloKind

_U64: Final = (1 << 64) - 1
_U32: Final = (1 << 32) - 1
_MAX_BITFIELD: Final = 8  # bytes that one load takes
_MAX_DIMENSIONS: Final = 32


class Value(NamedTuple):
    """The value on one side of a relocation.

    ``size`` (bytes) and ``type`` of the field are given only where a load or store may have to
    change its width.
    """

    number: int
    validate: bool = True
    size: int = 0
    type: TypeId = types.VOID


def value_of(kind: int, btf: Btf, spec: AccessSpec) -> Value:
    """Return what a relocation of ``kind`` reads of the access ``spec`` to types of ``btf``.

    Raises RelocationError for what has no such value, as an element of an array has no sign.
    """
    if of_field(kind):
        return _field_value(kind, btf, spec)
    if of_enumerator(kind):
        return Value(1 if kind == CoreReloKind.ENUMVAL_EXISTS else _enumerator_value(btf, spec))
    if kind == CoreReloKind.TYPE_ID_TARGET:
        return Value(spec.root, validate=False)
    return Value(size_of(btf, spec.root) if kind == CoreReloKind.TYPE_SIZE else 1)


def _enumerator_value(btf: Btf, spec: AccessSpec) -> int:
    (accessor,) = spec.accessors
    enum = btf.type(accessor.type)
    assert isinstance(enum, types.Enum | types.Enum64)
    value = enum.values[accessor.number].value
    if isinstance(enum, types.Enum):  # 32 bits, which libbpf always extends by their sign
        value = (value & _U32 ^ 1 << 31) - (1 << 31)
    return value & _U64


def _field_value(kind: int, btf: Btf, spec: AccessSpec) -> Value:
    if kind == CoreReloKind.FIELD_EXISTS:
        return Value(1)
    last = spec.accessors[-1]
    if not last.name:
        return _element_value(kind, btf, spec, last.type)
    owner = btf.type(last.type)
    assert isinstance(owner, types.Struct | types.Union)
    member = owner.members[last.number]
    type_id, resolved = skip_mods_and_typedefs(btf, member.type)
    bits = member.bitfield_size
    if kind == CoreReloKind.FIELD_BYTE_OFFSET and not bits:
        return Value(spec.offset // 8, True, _element_size(btf, type_id), type_id)
    if bits:
        size, start = _bitfield(btf, type_id, spec.offset, bits)
    else:
        size, start = size_of(btf, type_id), spec.offset // 8
        bits = size * 8
    if kind == CoreReloKind.FIELD_SIGNED:
        return Value(
            int(isinstance(resolved, types.Int | types.Enum | types.Enum64) and resolved.signed)
        )
    if kind == CoreReloKind.FIELD_RSHIFT_U64:
        return Value(64 - bits & _U32)
    validate = not member.bitfield_size  # compilers choose where a bitfield is loaded from
    if kind == CoreReloKind.FIELD_LSHIFT_U64:
        return Value(64 - (spec.offset + bits - start * 8) & _U32, validate)
    return Value(size if kind == CoreReloKind.FIELD_BYTE_SIZE else start, validate)


def _element_value(kind: int, btf: Btf, spec: AccessSpec, type_id: TypeId) -> Value:
    if kind == CoreReloKind.FIELD_BYTE_OFFSET:
        return Value(spec.offset // 8, True, _element_size(btf, type_id), type_id)
    if kind == CoreReloKind.FIELD_BYTE_SIZE:
        return Value(size_of(btf, type_id))
    raise RelocationError("not possible for an element of an array")


def _element_size(btf: Btf, type_id: TypeId) -> int:
    """Return the bytes of the innermost element, which one load of an array reads."""
    for _ in range(_MAX_DIMENSIONS):
        type_id, resolved = skip_mods_and_typedefs(btf, type_id)
        if not isinstance(resolved, types.Array):
            return size_of(btf, type_id)
        type_id = resolved.type
    raise RelocationError(
        f"{btf.name}: type {type_id}: arrays nested deeper than {_MAX_DIMENSIONS}"
    )


def _bitfield(btf: Btf, type_id: TypeId, offset: int, bits: int) -> tuple[int, int]:
    """Return size and offset (bytes) of the smallest aligned load that holds a bitfield.

    The bitfield has ``bits`` bits at ``offset`` (bits); its type gives the smallest size.
    """
    size = size_of(btf, type_id)
    if not size:
        raise RelocationError(f"{btf.name}: type {type_id}: a bitfield without a size")
    start = offset // 8 // size * size
    while offset + bits > (start + size) * 8:
        if size >= _MAX_BITFIELD:
            raise RelocationError(f"no load of {_MAX_BITFIELD} bytes holds the bitfield")
        size *= 2
        start = offset // 8 // size * size
    return size, start


def may_widen(old: types.Type, new: types.Type) -> bool:
    """Tell whether a load of another width keeps the value: of pointers and unsigned integers."""
    match old, new:
        case types.Ptr(), types.Ptr():
            return True
        case types.Int(), types.Int():
            return not _only_signed(old) and not _only_signed(new)
        case _:
            return False


def _only_signed(integer: types.Int) -> bool:
    # libbpf: encoding == BTF_INT_SIGNED
    return integer.signed and not integer.char and not integer.bool
