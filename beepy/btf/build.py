"""Build a type from its words: what each kind adds to the three that all have."""

from collections.abc import Callable
from struct import Struct as Packer
from typing import Final, assert_never

from beepy.btf import types
from beepy.btf.types import Bits, Kind, Type, TypeId

_INT: Final = Packer("<I")
_PAIR: Final = Packer("<II")
_TRIPLE: Final = Packer("<III")
_ENUMERATOR: Final = {False: Packer("<II"), True: Packer("<Ii")}

NameAt = Callable[[int], str]
"""Return the name of a member, enumerator or parameter at an offset in the strings."""


def build(
    kind: Kind,
    name: str,
    third: int,
    added: memoryview,
    *,
    vlen: int,
    flag: bool,
    name_at: NameAt,
) -> Type:
    """Return the type of that kind and name.

    ``third`` is its third word, a size or a type; ``added`` is what follows, as long as kind and
    ``vlen`` say.
    """
    ref = TypeId(third)
    match kind:
        case Kind.INT:
            (encoding,) = _INT.unpack(added)
            bits, offset = encoding & 0xFF, encoding >> 16 & 0xFF
            flags = encoding >> 24
            signed, char, boolean = (
                flags & types.INT_SIGNED,
                flags & types.INT_CHAR,
                flags & types.INT_BOOL,
            )
            return types.Int(name, third, bits, offset, bool(signed), bool(char), bool(boolean))
        case Kind.PTR:
            return types.Ptr(ref)
        case Kind.ARRAY:
            element, index, nelems = _TRIPLE.unpack(added)
            return types.Array(TypeId(element), TypeId(index), nelems)
        case Kind.STRUCT:
            return types.Struct(name, third, _members(added, name_at, bitfields=flag))
        case Kind.UNION:
            return types.Union(name, third, _members(added, name_at, bitfields=flag))
        case Kind.ENUM:
            values = list(_ENUMERATOR[flag].iter_unpack(added))
            return types.Enum(
                name,
                third,
                flag,
                tuple([types.Enumerator(name_at(n), v) for n, v in values]),
            )
        case Kind.ENUM64:
            wide = [(n, high << 32 | low) for n, low, high in list(_TRIPLE.iter_unpack(added))]
            values64 = [
                types.Enumerator(name_at(n), v - (1 << 64) if flag and v >> 63 else v)
                for n, v in wide
            ]
            return types.Enum64(name, third, flag, tuple(values64))
        case Kind.FWD:
            return types.Fwd(name, flag)
        case Kind.TYPEDEF:
            return types.Typedef(name, ref)
        case Kind.VOLATILE:
            return types.Volatile(ref)
        case Kind.CONST:
            return types.Const(ref)
        case Kind.RESTRICT:
            return types.Restrict(ref)
        case Kind.FUNC:
            return types.Func(name, ref, vlen)
        case Kind.FUNC_PROTO:
            params = [types.Param(name_at(n), TypeId(t)) for n, t in list(_PAIR.iter_unpack(added))]
            return types.FuncProto(ref, tuple(params))
        case Kind.VAR:
            return types.Var(name, ref, *_INT.unpack(added))
        case Kind.DATASEC:
            infos = list(_TRIPLE.iter_unpack(added))
            return types.DataSec(
                name, third, tuple([types.VarSecInfo(TypeId(t), *place) for t, *place in infos])
            )
        case Kind.FLOAT:
            return types.Float(name, third)
        case Kind.DECL_TAG:
            (component,) = _INT.unpack(added)
            return types.DeclTag(name, ref, component - (1 << 32) if component >> 31 else component)
        case Kind.TYPE_TAG:
            return types.TypeTag(name, ref)
        case Kind.UNKN:
            return types.Void()
        case unreachable:
            assert_never(unreachable)


def _members(added: memoryview, name_at: NameAt, *, bitfields: bool) -> tuple[types.Member, ...]:
    if bitfields:  # offset: bitfield_size 24..31, bit offset 0..23
        triples = [(n, t, o & 0xFFFFFF, o >> 24) for n, t, o in list(_TRIPLE.iter_unpack(added))]
    else:
        triples = [(n, t, o, 0) for n, t, o in list(_TRIPLE.iter_unpack(added))]
    return tuple([types.Member(name_at(n), TypeId(t), Bits(o), size) for n, t, o, size in triples])
