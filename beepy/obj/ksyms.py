"""Symbols of the kernel that an object uses: what the kernel would refuse in their types, made acceptable.

clang describes them in a DATASEC called ``.ksyms``, full of externs. No kernel takes
that (kernel/bpf/btf.c: a DATASEC holds variables, their linkage is static or global). The section becomes an anonymous
struct of as many ints, variables become global ints, and functions global ones whose parameters all have names.
"""

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.types import ADDED, INFO, NAME_OFF, SIZE_OR_TYPE, Kind, Linkage, TypeId, Words, info_word

_INT_SIZE = 4


def integer(btf: Btf) -> TypeId | None:
    """Return the first int of 4 bytes."""
    return next((one for one in btf.ids() if _is_int(btf, one)), None)


def acceptable(btf: Btf, section: TypeId, found: types.DataSec, integer: TypeId | None, named: set[TypeId]) -> Words:
    """Return the words to replace in the object's types (see ``Btf.with_words``); none where it has no ``integer``.

    ``named`` are the prototypes, which functions may share, whose parameters have names already; it grows.
    """
    if integer is None:
        return {}
    count = len(found.vars)
    words: Words = {(section, NAME_OFF): 0}
    words[section, INFO] = info_word(Kind.STRUCT, count)
    words[section, SIZE_OR_TYPE] = _INT_SIZE * count
    for number, info in enumerate(found.vars):
        at = Kind.STRUCT.item(number)
        words |= {(section, at): 0, (section, at + 1): integer, (section, at + 2): 8 * _INT_SIZE * number}
        match btf.type(info.type):
            case types.Var():
                words |= {(info.type, SIZE_OR_TYPE): integer, (info.type, ADDED): Linkage.GLOBAL}
            case types.Func(_, prototype, _):
                words[info.type, INFO] = info_word(Kind.FUNC, Linkage.GLOBAL)
                if prototype not in named:
                    named.add(prototype)
                    words |= _named(btf, info.type, prototype)
            case _:
                pass
    return words


def _is_int(btf: Btf, type_id: TypeId) -> bool:
    if btf.kind(type_id) is not Kind.INT:
        return False
    found = btf.type(type_id)
    return isinstance(found, types.Int) and found.size == _INT_SIZE and found.bits == 8 * _INT_SIZE


def _named(btf: Btf, function: TypeId, prototype: TypeId) -> Words:
    """Give parameters without a name that of the function: any name will do."""
    found = btf.type(prototype)
    if not isinstance(found, types.FuncProto):
        return {}
    name = btf.name_offset(function)
    return {
        (prototype, Kind.FUNC_PROTO.item(number)): name
        for number, param in enumerate(found.params)
        if param.type and not param.name
    }
