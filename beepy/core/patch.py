"""Apply fixups to a program's instructions, as libbpf's ``bpf_core_patch_insn`` does."""

from collections.abc import Iterable
from typing import Final

from beepy.core.resolve import Fixup
from beepy.errors import RelocationError
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import ProgramSpec
from beepy.text import safe

# A call of a helper that does not exist ("bad relo"). The verifier refuses it only if it can be
# reached.
POISON: Final = Insn(op.CALL, imm=0xBAD2310)

_MAX_OFFSET: Final = (1 << 15) - 1
_U64: Final = (1 << 64) - 1
_WIDTHS: Final = {1: op.B, 2: op.H, 4: op.W, 8: op.DW}


def patch(program: ProgramSpec, fixups: Iterable[Fixup]) -> ProgramSpec:
    """Return the program with all ``fixups`` applied, and without its CO-RE relocations.

    ``fixups`` are those of ``Resolver.fixups``. Raises RelocationError if an instruction does not
    fit its relocation, or cannot hold the new value.
    """
    insns = list(program.insns)
    for number, fixup in enumerate(fixups):
        try:
            _apply(insns, fixup)
        except RelocationError as error:
            where = f"program '{safe(program.name)}': relocation {number} ({fixup})"
            raise RelocationError(f"{where}: instruction {fixup.insn}: {error}") from None
    return program._replace(insns=tuple(insns), core=())


def _apply(insns: list[Insn], fixup: Fixup) -> None:
    at = fixup.insn
    insn = insns[at]
    if insn.wide and at + 1 == len(insns):
        raise RelocationError("the program ends within it")
    if fixup.poison and not fixup.validate:
        insns[at : at + 1 + insn.wide] = [POISON] * (1 + insn.wide)
        return
    match insn.code & op.CLASS:
        case op.ALU | op.ALU64:
            insns[at] = _immediate(insn, fixup)
        case op.LDX | op.ST | op.STX:
            insns[at] = _access(insn, fixup)
        case op.LD if insn.wide:
            insns[at : at + 2] = _wide(insn, insns[at + 1], fixup)
        case _:
            raise RelocationError(f"code {insn.code:#x} cannot be relocated")


def _immediate(insn: Insn, fixup: Fixup) -> Insn:
    if insn.code & op.SOURCE != op.K:
        raise RelocationError("has no immediate operand")
    _check(fixup, insn.imm & _U64)
    return Insn(insn.code, insn.dst, insn.src, insn.off, op.s32(fixup.new))


def _access(insn: Insn, fixup: Fixup) -> Insn:
    _check(fixup, insn.off & _U64)
    if fixup.new > _MAX_OFFSET:
        raise RelocationError(f"offset {fixup.new} exceeds {_MAX_OFFSET}")
    if fixup.poison:
        return POISON
    code = insn.code
    if fixup.new_size != fixup.old_size:
        if _WIDTHS.get(fixup.old_size) != code & op.SIZE:
            raise RelocationError(
                f"expected an access of {fixup.old_size} bytes, got code {code:#x}"
            )
        width = _WIDTHS.get(fixup.new_size)
        if width is None:
            raise RelocationError(f"no access takes {fixup.new_size} bytes")
        code = code & ~op.SIZE | width
    return Insn(code, insn.dst, insn.src, fixup.new, insn.imm)


def _wide(low: Insn, high: Insn, fixup: Fixup) -> tuple[Insn, Insn]:
    if low.src or low.off or high._replace(imm=0) != Insn(0):
        raise RelocationError("not a plain 64-bit constant")
    _check(fixup, (high.imm << 32 | low.imm & 0xFFFFFFFF) & _U64)
    return low._replace(imm=op.s32(fixup.new)), high._replace(imm=op.s32(fixup.new >> 32))


def _check(fixup: Fixup, got: int) -> None:
    if fixup.validate and got != fixup.old:
        raise RelocationError(f"expected {fixup.old}, got {got}")
