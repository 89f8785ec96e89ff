"""Patch a program's instructions with the file descriptors that exist only now."""

from collections.abc import Mapping, Sequence
from typing import Final

from beepy.collection.ksyms import KernelSymbol, Symbols
from beepy.kernel.map import Map
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import CallRef, DataRef, ExternRef, JumpTableRef, MapRef, ProgramSpec

# a call that no verifier takes: libbpf's POISON_CALL_KFUNC_BASE, to which it adds the number of the extern
_NO_KFUNC: Final = Insn(op.CALL, imm=2002000000)


def relocate(
    program: ProgramSpec, maps: Mapping[str, Map], tables: Mapping[Sequence[int], Map], symbols: Symbols
) -> tuple[Insn, ...]:
    """Return the program's instructions with every ref applied; ``tables`` are its jump tables by their targets."""
    insns = list(program.insns)
    for ref in program.refs:
        at = ref.insn
        match ref:
            case MapRef():
                insns[at] = _load(insns[at], op.PSEUDO_MAP_FD, maps[ref.map].fd.fileno())
            case DataRef():
                insns[at] = _load(insns[at], op.PSEUDO_MAP_VALUE, maps[ref.map].fd.fileno())
                second = insns[at + 1]
                insns[at + 1] = Insn(second.code, second.dst, second.src, second.off, op.s32(ref.offset))
            case ExternRef():
                insns[at : at + 1 + insns[at].wide] = _symbol(insns[at], symbols[ref.name], symbols)
            case JumpTableRef():
                insns[at] = _load(insns[at], op.PSEUDO_MAP_VALUE, tables[ref.targets].fd.fileno())
            case CallRef():
                raise AssertionError("the linker resolves every call")
    return tuple(insns)


def _load(insn: Insn, source: int, number: int) -> Insn:
    """Return the first slot of a constant that is a descriptor, an address or an id."""
    return Insn(insn.code, insn.dst, source, insn.off, number)


def _symbol(insn: Insn, symbol: KernelSymbol, symbols: Symbols) -> tuple[Insn, ...]:
    """Return the call of a kfunc, or the two slots of a constant, with what the symbol became."""
    if not insn.wide:
        if not symbol.type:
            return (_NO_KFUNC._replace(imm=_NO_KFUNC.imm + symbol.number),)
        return (insn._replace(src=op.PSEUDO_KFUNC_CALL, imm=symbol.type, off=symbols.index(symbol.module)),)
    if symbol.type:
        return _load(insn, op.PSEUDO_BTF_ID, symbol.type), Insn(0, imm=symbols.fd(symbol.module))
    low, high = symbol.address & 0xFFFFFFFF, symbol.address >> 32
    return _load(insn, 0, op.s32(low)), Insn(0, imm=op.s32(high))
