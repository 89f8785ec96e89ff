"""Types written so that an older kernel takes them, as libbpf's ``bpf_object__sanitize_btf`` does.

BTF has learnt a kind every few releases; a kernel refuses all of an object's types for one kind that it does not know.
Each such type becomes an older one of the same length in the section, so that no id changes. No layout that the kernel
looks at is lost: sizes and offsets stay.
"""

import struct
from collections.abc import Container
from typing import Final

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.header import encode
from beepy.btf.types import Kind, Linkage, TypeId
from beepy.features import Feature

_SIGNED: Final = 1 << 31  # the flag of an enum
_PLACEHOLDER: Final = "enum64_placeholder"


FEATURES: Final = (
    Feature.FUNC,
    Feature.GLOBAL_FUNC,
    Feature.DATASEC,
    Feature.EMPTY_DATASEC,
    Feature.QMARK_DATASEC,
    Feature.FLOAT,
    Feature.DECL_TAG,
    Feature.TYPE_TAG,
    Feature.ENUM64,
)
"""What types may make use of and a kernel may refuse."""


def used(btf: Btf) -> set[Feature]:
    """Return what of it the types make use of."""
    found = {feature for type_id in btf.ids() if (feature := _feature(btf.type(type_id)))}
    if Feature.FUNC not in found and any(btf.kind(type_id) is Kind.FUNC_PROTO for type_id in btf.ids()):
        found.add(Feature.FUNC)
    return found | ({Feature.FUNC} if Feature.GLOBAL_FUNC in found else set())


def _feature(found: types.Type) -> Feature | None:
    match found:
        case types.Func(linkage=linkage):
            return Feature.GLOBAL_FUNC if linkage == Linkage.GLOBAL else Feature.FUNC
        case types.DataSec(vars=()):
            return Feature.EMPTY_DATASEC
        case types.DataSec(name=name):
            return Feature.QMARK_DATASEC if name.startswith("?") else Feature.DATASEC
        case types.Var():
            return Feature.DATASEC
        case types.Float():
            return Feature.FLOAT
        case types.DeclTag():
            return Feature.DECL_TAG
        case types.TypeTag():
            return Feature.TYPE_TAG
        case types.Enum64() | types.Enum(signed=True):
            return Feature.ENUM64
        case _:
            return None


def downgraded(btf: Btf, refused: Container[Feature]) -> Btf:
    """Return the types without what ``refused`` names; every id and every size stays."""
    return _Rewriting(btf, refused).result()


class _Rewriting:
    """One pass over the types: words to replace, and the strings and the type that these need."""

    def __init__(self, btf: Btf, refused: Container[Feature]) -> None:
        self._btf = btf
        self._refused = refused
        self._words: dict[tuple[TypeId, int], int] = {}
        self._strings = b""
        self._placeholder = TypeId(0)

    def result(self) -> Btf:
        if Feature.ENUM64 in self._refused and any(self._btf.kind(one) is Kind.ENUM64 for one in self._btf.ids()):
            self._placeholder = TypeId(len(self._btf))
        for type_id in self._btf.ids():
            self._rewrite(type_id, self._btf.type(type_id))
        added = b""
        if self._placeholder:
            added = struct.pack("<4I", self._string(_PLACEHOLDER), Kind.INT << 24, 1, 8)
        return self._btf.edited(self._words).extended(added, self._strings)

    def _rewrite(self, type_id: TypeId, found: types.Type) -> None:
        refused = self._refused
        match found:
            case types.Var() if Feature.DATASEC in refused:
                self._set(type_id, 1, Kind.INT << 24, 1, 8)  # a byte: no variable is smaller
            case types.DeclTag() if Feature.DECL_TAG in refused:
                self._set(type_id, 1, Kind.INT << 24, 1, 8)
            case types.DataSec() if Feature.DATASEC in refused:
                self._struct(type_id, found)
            case types.DataSec(vars=()) if Feature.EMPTY_DATASEC in refused:
                self._struct(type_id, found)
            case types.DataSec(name=name) if Feature.QMARK_DATASEC in refused and name.startswith("?"):
                self._set(type_id, 0, self._string(name.replace("?", "_", 1)))
            case types.FuncProto(params=params) if Feature.FUNC in refused:
                self._set(type_id, 1, Kind.ENUM << 24 | len(params), 4)
            case types.Func() if Feature.FUNC in refused:
                self._set(type_id, 1, Kind.TYPEDEF << 24)
            case types.Func(linkage=linkage) if Feature.GLOBAL_FUNC in refused and linkage == Linkage.GLOBAL:
                self._set(type_id, 1, Kind.FUNC << 24)
            case types.Float() if Feature.FLOAT in refused:
                self._set(type_id, 0, 0, Kind.STRUCT << 24)
            case types.TypeTag() if Feature.TYPE_TAG in refused:
                self._set(type_id, 0, 0, Kind.CONST << 24)
            case types.Enum(signed=True, values=values) if Feature.ENUM64 in refused:
                self._set(type_id, 1, Kind.ENUM << 24 | len(values))
            case types.Enum64(values=values) if Feature.ENUM64 in refused:
                self._set(type_id, 1, Kind.UNION << 24 | len(values))
                for number in range(len(values)):  # (name, low, high) becomes (name, type, offset)
                    self._set(type_id, 4 + 3 * number, self._placeholder, 0)
            case _:
                pass

    def _struct(self, type_id: TypeId, found: types.DataSec) -> None:
        """Make (type, offset, size) of each variable (name, type, offset in bits) of a member."""
        name = found.name.replace(".", "_").replace("?", "_")
        self._set(type_id, 0, self._string(name), Kind.STRUCT << 24 | len(found.vars))
        for number, info in enumerate(found.vars):
            self._set(type_id, 3 + 3 * number, self._btf.name_offset(info.type), info.type, info.offset * 8)

    def _set(self, type_id: TypeId, first: int, *words: int) -> None:
        self._words.update({(type_id, first + number): word for number, word in enumerate(words)})

    def _string(self, text: str) -> int:
        offset = self._btf.string_end + len(self._strings)
        self._strings += text.encode() + b"\0"
        return offset


def sample(feature: Feature) -> bytes:
    """Return the smallest BTF that makes use of a feature, for a kernel to take or refuse, as libbpf does."""
    integer = (1, Kind.INT << 24, 4, 1 << 24 | 32)  # [1] int
    proto = (0, Kind.FUNC_PROTO << 24 | 1, 0, 5, 1)  # [2] void (*)(int a)
    variable = (5, Kind.VAR << 24, 1, 0)  # [2] static int a
    words = {
        Feature.FUNC: (*proto, 5, Kind.FUNC << 24, 2),
        Feature.GLOBAL_FUNC: (*proto, 5, Kind.FUNC << 24 | Linkage.GLOBAL, 2),
        Feature.DATASEC: (*variable, 7, Kind.DATASEC << 24 | 1, 4, 2, 0, 4),
        Feature.EMPTY_DATASEC: (7, Kind.DATASEC << 24, 4),
        Feature.QMARK_DATASEC: (*variable, 13, Kind.DATASEC << 24 | 1, 4, 2, 0, 4),
        Feature.FLOAT: (5, Kind.FLOAT << 24, 4),
        Feature.DECL_TAG: (*variable, 5, Kind.DECL_TAG << 24, 2, 0xFFFFFFFF),
        Feature.TYPE_TAG: (5, Kind.TYPE_TAG << 24, 1, 0, Kind.PTR << 24, 2),
        Feature.ENUM64: (5, Kind.ENUM64 << 24 | _SIGNED, 8),
    }[feature]
    body = struct.pack(f"<{len(integer) + len(words)}I", *integer, *words)
    strings = b"\0int\0a\0.data\0?.data\0"  # at 1, 5, 7, 13
    return encode(body, strings)
