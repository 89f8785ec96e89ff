"""Patch a program's instructions with descriptors of maps and BTF, and with kernel symbols."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from beepy.kernel.map import Map
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import CallRef, DataRef, ExternRef, JumpTableRef, MapRef, ProgramSpec

if TYPE_CHECKING:
    from beepy.collection.ksyms import KernelSymbol, Symbols  # few objects have any

# a call that the verifier refuses if it is reached: libbpf's POISON_CALL_KFUNC_BASE, to which the
# number of the extern is added
_NO_KFUNC: Final = Insn(op.CALL, imm=2002000000)


def relocate(
    program: ProgramSpec,
    maps: Mapping[str, Map],
    tables: Mapping[Sequence[int], Map],
    symbols: "Symbols | None",
) -> tuple[Insn, ...]:
    """Return the program's instructions with every ref applied.

    ``tables`` has its jump tables by their targets.
    """
    insns = list(program.insns)
    for ref in program.refs:
        index = ref.insn
        match ref:
            case MapRef():
                insns[index] = _load(insns[index], op.PSEUDO_MAP_FD, maps[ref.map].fd.fileno())
            case DataRef():
                insns[index] = _load(insns[index], op.PSEUDO_MAP_VALUE, maps[ref.map].fd.fileno())
                second = insns[index + 1]
                insns[index + 1] = Insn(
                    second.code, second.dst, second.src, second.off, op.s32(ref.offset)
                )
            case ExternRef():
                assert symbols, "the object has externs"
                insns[index : index + 1 + insns[index].wide] = _symbol(
                    insns[index], symbols[ref.name], symbols
                )
            case JumpTableRef():
                insns[index] = _load(
                    insns[index], op.PSEUDO_MAP_VALUE, tables[ref.targets].fd.fileno()
                )
            case CallRef():
                raise AssertionError("the linker has resolved every call")
    return tuple(insns)


def _load(insn: Insn, source: int, number: int) -> Insn:
    """Return the first slot of an LD_IMM64 that loads a descriptor, an address or a type id."""
    return Insn(insn.code, insn.dst, source, insn.off, number)


def _symbol(insn: Insn, symbol: "KernelSymbol", symbols: "Symbols") -> tuple[Insn, ...]:
    """Return the call of a kfunc, or the LD_IMM64 (two slots) that loads a variable's address."""
    if not insn.wide:
        if not symbol.type:
            return (_NO_KFUNC._replace(imm=_NO_KFUNC.imm + symbol.number),)
        return (
            insn._replace(
                src=op.PSEUDO_KFUNC_CALL, imm=symbol.type, off=symbols.index(symbol.module)
            ),
        )
    if symbol.type:
        return _load(insn, op.PSEUDO_BTF_ID, symbol.type), Insn(0, imm=symbols.fd(symbol.module))
    low, high = symbol.address & 0xFFFFFFFF, symbol.address >> 32
    return _load(insn, 0, op.s32(low)), Insn(0, imm=op.s32(high))
