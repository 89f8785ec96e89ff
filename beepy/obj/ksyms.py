"""Rewrite the types of an object's kernel symbols so that kernels accept them, as libbpf does.

clang describes these symbols in a DATASEC called ``.ksyms`` that holds externs. Every kernel
refuses it (kernel/bpf/btf.c: a DATASEC holds variables with static or global linkage). So the
section becomes an anonymous struct of as many ints, variables become global ints, and functions
become global, with names for all parameters.
"""

from collections.abc import Sequence

from beepy.btf import types
from beepy.btf.btf import Btf
from beepy.btf.types import (
    ADDED,
    INFO,
    NAME_OFF,
    SIZE_OR_TYPE,
    Kind,
    Linkage,
    TypeId,
    Words,
    info_word,
)

_INT_SIZE = 4


def acceptable(btf: Btf, datasecs: Sequence[tuple[TypeId, types.DataSec]]) -> Words:
    """Return the words to replace in the object's types; none if these have no int of 4 bytes."""
    integer = (
        next((type_id for type_id in btf.ids() if _is_int(btf, type_id)), None)
        if datasecs
        else None
    )
    words: Words = {}
    prototypes: set[TypeId] = set()
    for type_id, datasec in datasecs if integer is not None else ():
        assert integer is not None
        words |= _section(type_id, len(datasec.vars), integer)
        for info in datasec.vars:
            match btf.type(info.type):
                case types.Var():
                    words |= {
                        (info.type, SIZE_OR_TYPE): integer,
                        (info.type, ADDED): Linkage.GLOBAL,
                    }
                case types.Func(_, prototype, _):
                    words[info.type, INFO] = info_word(Kind.FUNC, Linkage.GLOBAL)
                    # functions may share a prototype: its parameters are named once
                    if prototype not in prototypes:
                        prototypes.add(prototype)
                        words |= _named_params(btf, info.type, prototype)
                case _:
                    pass
    return words


def _section(datasec: TypeId, count: int, integer: TypeId) -> Words:
    """Return the words that make a DATASEC an anonymous struct of ``count`` ints."""
    words: Words = {
        (datasec, NAME_OFF): 0,
        (datasec, INFO): info_word(Kind.STRUCT, count),
        (datasec, SIZE_OR_TYPE): _INT_SIZE * count,
    }
    for number in range(count):
        at = Kind.STRUCT.item(number)
        words |= {
            (datasec, at): 0,
            (datasec, at + 1): integer,
            (datasec, at + 2): 8 * _INT_SIZE * number,
        }
    return words


def _is_int(btf: Btf, type_id: TypeId) -> bool:
    if btf.kind(type_id) is not Kind.INT:
        return False
    integer = btf.type(type_id)
    return (
        isinstance(integer, types.Int)
        and integer.size == _INT_SIZE
        and integer.bits == 8 * _INT_SIZE
    )


def _named_params(btf: Btf, function: TypeId, prototype: TypeId) -> Words:
    """Return the words that give parameters without a name that of the function: any will do."""
    proto = btf.type(prototype)
    if not isinstance(proto, types.FuncProto):
        return {}
    name = btf.name_offset(function)
    return {
        (prototype, Kind.FUNC_PROTO.item(number)): name
        for number, param in enumerate(proto.params)
        if param.type and not param.name
    }
