"""Types corrected so that a kernel takes them: what compilers other than clang write, and kernel/bpf/btf.c refuses.

Rust names a type ``Option<u8>``, Zig a pointer ``*u8``, gcc gives ``char`` two encodings at once. One such type, and
the kernel refuses all of an object's types. Ids, sizes and offsets stay.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.types import ADDED, INT_BOOL, INT_SIGNED, NAME_OFF, Kind, Member, TypeId, Words, int_word, member_word
from beepy.btf.writer import BtfWriter

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,126}")  # shorter than KSYM_NAME_LEN before v6.1
_ODD: Final = re.compile(r"[^A-Za-z0-9_]")
_LONGEST: Final = 127
_UNNAMED: Final = (Kind.PTR, Kind.ARRAY, Kind.CONST, Kind.VOLATILE, Kind.RESTRICT, Kind.FUNC_PROTO)


def corrected(btf: Btf) -> Btf:
    """Return the types with every name and encoding as kernels take them; ``btf`` itself if nothing is wrong."""
    words: Words = {}
    writer = BtfWriter.after(btf)
    for type_id in btf.ids():
        found = btf.type(type_id)
        for word, text in _names(btf, type_id, found):
            words[type_id, word] = writer.string(text)
        words |= {(type_id, word): value for word, value in _values(found)}
    return writer.append_to(btf.with_words(words)) if words else btf


def _names(btf: Btf, type_id: TypeId, found: types.Type) -> Iterator[tuple[int, str]]:
    """Yield (word, text) for each name of a type that must be another one."""
    kind = btf.kind(type_id)
    if kind in _UNNAMED:
        if btf.name_offset(type_id):
            yield NAME_OFF, ""
    elif kind in (Kind.STRUCT, Kind.UNION, Kind.ENUM, Kind.ENUM64):
        yield from _wrong([(NAME_OFF, getattr(found, "name", ""))])
    elif kind in (Kind.FWD, Kind.TYPEDEF, Kind.FUNC, Kind.VAR):
        yield from _wrong([(NAME_OFF, getattr(found, "name", ""))], needed=True)
    match found:
        case types.Struct() | types.Union():
            members = _in_order(found.members)
            names = [(Kind.STRUCT.item(at), member.name) for at, member in enumerate(members)]
            right = dict(_wrong(names))
            if members != found.members:  # every name has another place
                right = dict(names) | right
            yield from right.items()
        case types.Enum(values=values):
            yield from _wrong([(Kind.ENUM.item(at), value.name) for at, value in enumerate(values)], needed=True)
        case types.Enum64(values=values):
            yield from _wrong([(Kind.ENUM64.item(at), value.name) for at, value in enumerate(values)], needed=True)
        case types.FuncProto(params=params):
            yield from _wrong([(Kind.FUNC_PROTO.item(at), param.name) for at, param in enumerate(params)])
        case _:
            pass


def _wrong(names: Sequence[tuple[int, str]], *, needed: bool = False) -> Iterator[tuple[int, str]]:
    for word, name in names:
        if not _NAME.fullmatch(name) and (name or needed):
            text = _ODD.sub("_", name)[:_LONGEST]
            yield word, text if text and not text[0].isdigit() else f"_{text}"[:_LONGEST]


def _values(found: types.Type) -> Iterator[tuple[int, int]]:
    """Yield (word, value) for what must be another value: encodings, and the places of members."""
    match found:
        case types.Int() if found.signed + found.char + found.bool > 1:
            encoding = INT_BOOL if found.bool else INT_SIGNED
            yield ADDED, int_word(found.bits, found.bit_offset, encoding)
        case types.Struct() | types.Union() if (members := _in_order(found.members)) != found.members:
            for at, member in enumerate(members):
                yield Kind.STRUCT.item(at) + 1, member.type
                yield Kind.STRUCT.item(at) + 2, member_word(member.offset, member.bitfield_size)
        case _:
            pass


def _in_order(members: tuple[Member, ...]) -> tuple[Member, ...]:
    """Return members in the order of their places: Rust lists them as they are declared."""
    return tuple(sorted(members, key=lambda member: member.offset))
