"""Patch a program's instructions with the file descriptors that exist only now."""

from collections.abc import Mapping
from typing import Final

from beepy.collection.ksyms import KernelSymbol, Symbols
from beepy.kernel.map import Map
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import CallRef, DataRef, ExternRef, MapRef, ProgramSpec

# a call that no verifier takes: libbpf's POISON_CALL_KFUNC_BASE, to which it adds the number of the extern
_NO_KFUNC: Final = Insn(op.CALL, imm=2002000000)


def relocate(program: ProgramSpec, maps: Mapping[str, Map], symbols: Symbols) -> tuple[Insn, ...]:
    """Return the program's instructions with every ref applied."""
    insns = list(program.insns)
    for ref in program.refs:
        at = ref.insn
        match ref:
            case MapRef():
                insns[at] = insns[at]._replace(src=op.PSEUDO_MAP_FD, imm=maps[ref.map].fd.fileno())
            case DataRef():
                insns[at] = insns[at]._replace(src=op.PSEUDO_MAP_VALUE, imm=maps[ref.map].fd.fileno())
                insns[at + 1] = insns[at + 1]._replace(imm=_signed(ref.offset))
            case ExternRef():
                insns[at : at + 1 + insns[at].wide] = _symbol(insns[at], symbols[ref.name], symbols)
            case CallRef():
                raise AssertionError("the linker resolves every call")
    return tuple(insns)


def _symbol(insn: Insn, symbol: KernelSymbol, symbols: Symbols) -> tuple[Insn, ...]:
    """Return the call of a kfunc, or the two slots of a constant, with what the symbol became."""
    if not insn.wide:
        if not symbol.type:
            return (_NO_KFUNC._replace(imm=_NO_KFUNC.imm + symbol.number),)
        return (insn._replace(src=op.PSEUDO_KFUNC_CALL, imm=symbol.type, off=symbols.index(symbol.module)),)
    if symbol.type:
        return insn._replace(src=op.PSEUDO_BTF_ID, imm=symbol.type), Insn(0, imm=symbols.fd(symbol.module))
    low, high = symbol.address & 0xFFFFFFFF, symbol.address >> 32
    return insn._replace(src=0, imm=_signed(low)), Insn(0, imm=_signed(high))


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value
