"""An object with jump tables, as clang 23 and newer write it with -mcpu=v4 (none is here)."""

import struct
from typing import Final

from beepy.obj import insn as op
from beepy.obj.insn import Insn
from tests.support.elf import OBJECT, R_64_64
from tests.support.objects import CALL_SUB, EXIT, LOAD, Object

_GOTOX: Final = op.JMP | op.X
_CASES: Final = 4


def answer(length: int) -> int:
    """Return what the program answers for a packet of so many bytes."""
    return 100 + 10 * (length % _CASES) + length % _CASES


def data() -> bytes:
    """Return the object: ``choose`` adds its choice (100 and tens) to its subprogram's (ones)."""
    made = Object()
    program = (
        Insn(op.LDX | op.MEM | op.W, 6, 1),  # r6 = skb->len, without the Ethernet header
        Insn(op.ALU64 | op.X | 0xB0, 1, 6),
        CALL_SUB,
        Insn(op.ALU64 | op.X | 0xB0, 7, 0),  # r7 = what the subprogram chose
        *_choice(6, [100 + 10 * case for case in range(_CASES)]),
        Insn(op.ALU64 | op.X | 0x00, 0, 7),
        EXIT,
    )
    callee = (*_choice(1, list(range(_CASES))), EXIT)
    sub = made.elf.function("sub", ".text", callee)
    made.program(*program, name="choose", section="socket")
    made.calls(sub, 2, section="socket")
    for section, at in ((".text", 2), ("socket", 6)):
        made.calls(_table(made, at + 5), at, section=section, type=R_64_64)
    made.elf.section("license", b"GPL\0")
    return made.data()


def _choice(register: int, values: list[int]) -> tuple[Insn, ...]:
    """Set r0 to a value chosen by the register.

    The jump is the sixth instruction, each case is two after it.
    """
    cases = [
        insn
        for at, value in enumerate(values)
        for insn in (Insn(op.MOV64_IMM, 0, imm=value), Insn(op.JMP, off=2 * (len(values) - 1 - at)))
    ]
    return (
        Insn(op.ALU64 | op.K | 0x50, register, imm=_CASES - 1),
        Insn(op.ALU64 | op.K | 0x60, register, imm=3),
        *(LOAD[0]._replace(dst=2), LOAD[1]),
        Insn(op.ALU64 | op.X | 0x00, 2, register),
        Insn(op.LDX | op.MEM | op.DW, 2, 2),
        Insn(_GOTOX, 2),
        *cases,
    )


def _table(made: Object, first: int) -> int:
    """Add the table of the cases, of which the first begins at that instruction of its section."""
    entries = [8 * (first + 2 * case) for case in range(_CASES)]
    at = len(made.elf.section(".jumptables", flags=0).data)
    made.elf.section(".jumptables", struct.pack(f"<{_CASES}Q", *entries))
    return made.elf.symbol(f"BPF.JT.0.{at}", ".jumptables", at, 8 * _CASES, type=OBJECT)
