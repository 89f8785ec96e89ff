"""Rewrite types for an older kernel, as libbpf's ``bpf_object__sanitize_btf`` does.

BTF gains a kind every few releases; a kernel refuses all of an object's types for one kind that it
does not know. Each such type becomes an older one of the same length in the section, so that no id
changes. No layout that the kernel looks at is lost: sizes and offsets stay.
"""

from collections.abc import Container
from typing import Final

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.types import INFO, NAME_OFF, Kind, Linkage, TypeId, Words, info_word, int_word
from beepy.btf.writer import BtfWriter
from beepy.features import Feature

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
"""Features of BTF that types may use and a kernel may refuse."""


def used(btf: Btf) -> set[Feature]:
    """Return those of ``FEATURES`` that the types use."""
    features = {feature for type_id in btf.ids() if (feature := _feature(btf.type(type_id)))}
    if Feature.FUNC not in features and btf.of_kind(Kind.FUNC_PROTO):
        features.add(Feature.FUNC)
    return features | ({Feature.FUNC} if Feature.GLOBAL_FUNC in features else set())


def _feature(type_: types.Type) -> Feature | None:
    match type_:
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
    """Return the types without the features in ``refused``; every id and every size stays."""
    return _Rewriting(btf, refused).result()


class _Rewriting:
    """One pass over the types: words to replace, and the strings and the type that these need."""

    def __init__(self, btf: Btf, refused: Container[Feature]) -> None:
        self._btf = btf
        self._refused = refused
        self._words: Words = {}
        self._writer = BtfWriter.after(btf)
        self._placeholder = TypeId(0)

    def result(self) -> Btf:
        if Feature.ENUM64 in self._refused and self._btf.of_kind(Kind.ENUM64):
            self._placeholder = self._writer.integer(_PLACEHOLDER, 1, 0)
        for type_id in self._btf.ids():
            self._rewrite(type_id, self._btf.type(type_id))
        return self._writer.append_to(self._btf.with_words(self._words))

    def _rewrite(self, type_id: TypeId, type_: types.Type) -> None:
        refused = self._refused
        match type_:
            case types.Var() if Feature.DATASEC in refused:
                # a byte: no variable is smaller
                self._set(type_id, INFO, info_word(Kind.INT), 1, int_word(8))
            case types.DeclTag() if Feature.DECL_TAG in refused:
                self._set(type_id, INFO, info_word(Kind.INT), 1, int_word(8))
            case types.DataSec() if Feature.DATASEC in refused:
                self._struct(type_id, type_)
            case types.DataSec(vars=()) if Feature.EMPTY_DATASEC in refused:
                self._struct(type_id, type_)
            case types.DataSec(name=name) if Feature.QMARK_DATASEC in refused and name.startswith(
                "?"
            ):
                self._set(type_id, NAME_OFF, self._writer.string(name.replace("?", "_", 1)))
            case types.FuncProto(params=params) if Feature.FUNC in refused:
                self._set(type_id, INFO, info_word(Kind.ENUM, len(params)), 4)
            case types.Func() if Feature.FUNC in refused:
                self._set(type_id, INFO, info_word(Kind.TYPEDEF))
            case types.Func(linkage=linkage) if (
                Feature.GLOBAL_FUNC in refused and linkage == Linkage.GLOBAL
            ):
                self._set(type_id, INFO, info_word(Kind.FUNC))
            case types.Float() if Feature.FLOAT in refused:
                self._set(type_id, NAME_OFF, 0, info_word(Kind.STRUCT))
            case types.TypeTag() if Feature.TYPE_TAG in refused:
                self._set(type_id, NAME_OFF, 0, info_word(Kind.CONST))
            case types.Enum(signed=True, values=values) if Feature.ENUM64 in refused:
                self._set(type_id, INFO, info_word(Kind.ENUM, len(values)))
            case types.Enum64(values=values) if Feature.ENUM64 in refused:
                self._set(type_id, INFO, info_word(Kind.UNION, len(values)))
                for number in range(len(values)):  # (name, low, high) becomes (name, type, offset)
                    self._set(type_id, Kind.UNION.item(number) + 1, self._placeholder, 0)
            case _:
                pass

    def _struct(self, type_id: TypeId, datasec: types.DataSec) -> None:
        """Make a DATASEC a struct.

        (type, offset, size) of each variable becomes (name, type, offset in bits) of a member.
        """
        name = datasec.name.replace(".", "_").replace("?", "_")
        self._set(
            type_id, NAME_OFF, self._writer.string(name), info_word(Kind.STRUCT, len(datasec.vars))
        )
        for number, info in enumerate(datasec.vars):
            self._set(
                type_id,
                Kind.STRUCT.item(number),
                self._btf.name_offset(info.type),
                info.type,
                info.offset * 8,
            )

    def _set(self, type_id: TypeId, first: int, *words: int) -> None:
        self._words.update({(type_id, first + number): word for number, word in enumerate(words)})


def sample(feature: Feature) -> bytes:
    """Return the smallest BTF that uses a feature, for a probe to load, as libbpf's probes do."""
    writer = BtfWriter()
    integer = writer.integer()
    match feature:
        case Feature.FUNC | Feature.GLOBAL_FUNC:
            linkage = Linkage.GLOBAL if feature is Feature.GLOBAL_FUNC else Linkage.STATIC
            writer.func("a", writer.func_proto(0, [("a", integer)]), linkage)
        case Feature.DATASEC | Feature.QMARK_DATASEC:
            variable = writer.var("a", integer, Linkage.STATIC)
            writer.datasec(
                "?.data" if feature is Feature.QMARK_DATASEC else ".data", 4, [(variable, 0, 4)]
            )
        case Feature.EMPTY_DATASEC:
            writer.datasec(".data", 4)
        case Feature.FLOAT:
            writer.real("a", 4)
        case Feature.DECL_TAG:
            writer.decl_tag("a", writer.var("a", integer, Linkage.STATIC))
        case Feature.TYPE_TAG:
            writer.ptr(writer.type_tag("a", integer))
        case Feature.ENUM64:
            writer.enum64("a", {}, signed=True)
        case _:
            raise AssertionError(f"{feature.name}: not a feature of types")
    return writer.data()
