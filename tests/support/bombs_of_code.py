"""Objects whose instructions would cost much to follow: paths, spilled addresses, calls, records.

Each has a call that sends a record, without which nobody would look.
"""

from collections.abc import Callable
from typing import Final

from beepy.obj import insn as op
from beepy.obj.insn import SLOT, Insn
from beepy.uapi import HELPERS
from tests.support.elf import OBJECT, R_64_32
from tests.support.objects import CALL_SUB, EXIT, LOAD, SEC, Object

U32, U64 = 2, 3
SEND: Final = Insn(op.CALL, imm=HELPERS.index("perf_event_output"))
RESERVE: Final = Insn(op.CALL, imm=HELPERS.index("ringbuf_reserve"))
COMM: Final = Insn(op.CALL, imm=HELPERS.index("get_current_comm"))
NUMBER: Final = Insn(op.MOV64_IMM, 6, imm=1)
IF: Final = Insn(op.JMP | op.K | 0x10, 2)
STACK: Final = Insn(op.ALU64 | op.X | op.MOV, 1, op.FRAME)
ANYWHERE: Final = Insn(op.ALU64 | op.X, 1, 2)
STORE: Final = op.STX | op.MEM | op.DW
SPILLS: Final = [Insn(STORE, op.FRAME, op.FRAME, -8 * slot) for slot in range(1, 65)]


def branches_after_spills() -> Object:
    """Each instruction begins a block."""
    return _program([SEND, *SPILLS, *[IF] * 250_000])


def branches_back() -> Object:
    """Each jumps back, and changes what is known there."""
    code = [SEND]
    for _ in range(60_000):
        code += [NUMBER._replace(imm=len(code)), IF._replace(off=max(-len(code) - 2, -32_000))]
    return _program(code)


def spills_that_helpers_overwrite() -> Object:
    return _program([SEND, *SPILLS, *[STACK, COMM] * 125_000])


def stores_anywhere() -> Object:
    """Each may overwrite all that is spilled, which is spilled again."""
    return _program([SEND, *[*SPILLS, STACK, ANYWHERE, Insn(STORE, 1, op.FRAME)] * 3500])


def functions_that_share_a_stack() -> Object:
    """Each call may change what is spilled, and the function does."""
    one = Object()
    stores = [Insn(STORE, 1, op.FRAME, -8 * slot) for slot in range(1, 65)]
    sub = one.elf.function("sub", ".text", [*stores, EXIT])
    code = [SEND, *SPILLS, *[STACK, CALL_SUB] * 60_000, EXIT]
    one.program(*code)
    calls = [at for at, insn in enumerate(code) if insn is CALL_SUB]
    one.elf.relocations[SEC] = [(at * SLOT, sub, R_64_32) for at in calls]
    return one


def records_of_many_members() -> Object:
    """Each record is written at places that are looked for in a struct that it may have."""
    one = _program(
        [
            Insn(op.MOV64_IMM, 2, imm=80_000),
            RESERVE,
            *[Insn(op.STX | op.MEM | op.W, 0, 6, 4 * at) for at in range(20)],
        ]
        * 5000
    )
    record = one.btf.struct("s", 80_000, [(f"m{at}", U32, 32 * at) for at in range(20_000)])
    one.btf.datasec(".bss", 8, [(one.btf.var("unused", one.btf.ptr(record)), 0, 8)])
    one.elf.bss(8)
    one.elf.symbol("unused", ".bss", 0, 8, type=OBJECT)
    return one


def unions_in_records() -> Object:
    """A record begins with as many structs as there are ways into it."""
    one = Object()
    last = one.btf.struct("s", 8, [("a", U64, 0)])
    for _ in range(40):
        last = one.btf.union("", 8, [("", last, 0), ("", last, 0)])
    record = one.btf.struct("record", 8, [("a", last, 0)])
    one.btf.datasec(".data", 8, [(one.btf.var("sent", record), 0, 8)])
    one.elf.section(".data", bytes(8))
    sent = one.elf.symbol("sent", ".data", 0, 8, type=OBJECT)
    load = (LOAD[0]._replace(dst=4), LOAD[1])
    one.program(*[*load, Insn(op.MOV64_IMM, 5, imm=8), SEND] * 1000, EXIT)
    for at in range(1000):
        one.calls(sent, 4 * at, type=1)
    return one


def _program(code: list[Insn]) -> Object:
    one = Object()
    one.program(*code, EXIT)
    return one


BOMBS: Final[tuple[Callable[[], Object], ...]] = (
    branches_after_spills,
    branches_back,
    spills_that_helpers_overwrite,
    stores_anywhere,
    functions_that_share_a_stack,
    records_of_many_members,
    unions_in_records,
)
