"""Patch a program's instructions with the file descriptors that exist only now."""

from collections.abc import Mapping

from beepy.errors import RelocationError
from beepy.kernel.map import Map
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import CallRef, DataRef, ExternRef, MapRef, ProgramSpec
from beepy.text import safe


def relocate(program: ProgramSpec, maps: Mapping[str, Map]) -> tuple[Insn, ...]:
    """Return the program's instructions with every ref applied.

    Raises RelocationError for a symbol of the kernel: nothing resolves those yet.
    """
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
                where = f"program '{safe(program.name)}': instruction {at}: extern '{safe(ref.name)}'"
                raise RelocationError(f"{where}: symbols of the kernel (.ksyms) are not supported yet")
            case CallRef():
                raise AssertionError("the linker resolves every call")
    return tuple(insns)


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value
