"""Correct types of compilers other than clang that kernel/bpf/btf.c refuses.

Rust names a type ``Option<u8>``, Zig a pointer ``*u8``, gcc gives ``char`` two encodings at once.
For one such type the kernel refuses all of an object's types. Ids, sizes and offsets stay as they
are.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.types import (
    ADDED,
    INT_BOOL,
    INT_SIGNED,
    NAME_OFF,
    Kind,
    Member,
    TypeId,
    Words,
    int_word,
    member_word,
)
from beepy.btf.writer import BtfWriter

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,126}")  # shorter than KSYM_NAME_LEN before v6.1
_ODD: Final = re.compile(r"[^A-Za-z0-9_]")
_LONGEST: Final = 127
_UNNAMED: Final = (Kind.PTR, Kind.ARRAY, Kind.CONST, Kind.VOLATILE, Kind.RESTRICT, Kind.FUNC_PROTO)


def corrected(btf: Btf) -> Btf:
    """Return the types with names, encodings and members that kernels accept.

    Returns ``btf`` itself if nothing must change.
    """
    words: Words = {}
    writer = BtfWriter.after(btf)
    for type_id in btf.ids():
        type_ = btf.type(type_id)
        for word, text in _names(btf, type_id, type_):
            words[type_id, word] = writer.string(text)
        words |= {(type_id, word): value for word, value in _values(type_)}
    return writer.append_to(btf.with_words(words)) if words else btf


def _names(btf: Btf, type_id: TypeId, type_: types.Type) -> Iterator[tuple[int, str]]:
    """Yield (word, text) for each name of a type that must change."""
    kind = btf.kind(type_id)
    if kind in _UNNAMED:
        if btf.name_offset(type_id):
            yield NAME_OFF, ""
    elif kind in (Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64):
        yield from _wrong([(NAME_OFF, getattr(type_, "name", ""))])
    elif kind in (Kind.FWD, Kind.TYPEDEF, Kind.FUNC, Kind.VAR):
        yield from _wrong([(NAME_OFF, getattr(type_, "name", ""))], needed=True)
    match type_:
        case types.Struct() | types.Union():
            members = _in_order(type_.members)
            names = [(Kind.STRUCT.item(at), member.name) for at, member in enumerate(members)]
            right = dict(_wrong(names))
            if members != type_.members:  # the members change places: all their names are written
                right = dict(names) | right
            yield from right.items()
        case types.Enum(values=values):
            yield from _wrong(
                [(Kind.ENUM.item(at), value.name) for at, value in enumerate(values)], needed=True
            )
        case types.Enum64(values=values):
            yield from _wrong(
                [(Kind.ENUM64.item(at), value.name) for at, value in enumerate(values)], needed=True
            )
        case types.FuncProto(params=params):
            yield from _wrong(
                [(Kind.FUNC_PROTO.item(at), param.name) for at, param in enumerate(params)]
            )
        case _:
            pass


def _wrong(names: Sequence[tuple[int, str]], *, needed: bool = False) -> Iterator[tuple[int, str]]:
    for word, name in names:
        if not _NAME.fullmatch(name) and (name or needed):
            text = _ODD.sub("_", name)[:_LONGEST]
            yield word, text if text and not text[0].isdigit() else f"_{text}"[:_LONGEST]


def _values(type_: types.Type) -> Iterator[tuple[int, int]]:
    """Yield (word, value) for each number of a type that must change.

    They are encodings, and members out of order.
    """
    match type_:
        case types.Int() if type_.signed + type_.char + type_.bool > 1:
            encoding = INT_BOOL if type_.bool else INT_SIGNED
            yield ADDED, int_word(type_.bits, type_.bit_offset, encoding)
        case types.Struct() | types.Union() if (
            members := _in_order(type_.members)
        ) != type_.members:
            for at, member in enumerate(members):
                yield Kind.STRUCT.item(at) + 1, member.type
                yield Kind.STRUCT.item(at) + 2, member_word(member.offset, member.bitfield_size)
        case _:
            pass


def _in_order(members: tuple[Member, ...]) -> tuple[Member, ...]:
    """Return members in the order of their offsets; Rust lists them as they were declared."""
    return tuple(sorted(members, key=lambda member: member.offset))
