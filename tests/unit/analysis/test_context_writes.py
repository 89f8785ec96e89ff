"""Which programs may write through the pointer to their context."""

import pytest

from beepy.analysis.context_writes import writes
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import JumpTableRef, ProgramSpec

STORE, LOAD = op.STX | op.MEM | op.DW, op.LDX | op.MEM | op.DW
MOVE, ADD, IF = op.ALU64 | op.X | 0xB0, op.ALU64 | op.X, op.JMP | op.K | 0x10
ATOMIC = op.STX | 0xC0 | op.DW
FRAME = 10
DI = 112  # in x86-64's struct pt_regs

SPILL, FILL = Insn(STORE, FRAME, 1, -8), Insn(LOAD, 6, FRAME, -8)
WRITE = Insn(STORE, 6, 2, DI)
CLEAR = Insn(op.MOV64_IMM, 2)


def program(
    *insns: Insn, functions: tuple[int, ...] = (0,), tables: tuple[JumpTableRef, ...] = ()
) -> ProgramSpec:
    named = tuple((f"f{start}", start) for start in functions)
    return ProgramSpec("p", "uprobe", (*insns, Insn(op.EXIT)), tables, (), (), (), named)


@pytest.mark.parametrize(
    "insns",
    [
        (Insn(STORE, 1, 2, DI),),
        (Insn(op.ST | op.MEM | op.W, 1, off=DI, imm=1),),
        (Insn(ATOMIC, 1, 2, DI),),
        (Insn(MOVE, 6, 1), Insn(op.CALL, imm=5), WRITE),
        (Insn(MOVE, 6, 1), Insn(op.ALU64 | op.K, 6, imm=DI), WRITE),
        (Insn(op.MOV64_IMM, 6, imm=DI), Insn(ADD, 6, 1), WRITE),
        (SPILL, CLEAR, FILL, WRITE),
        (
            SPILL,
            Insn(op.STX | op.MEM | op.W, FRAME, 2, -4),
            FILL,
            WRITE,
        ),  # what the verifier refuses
        (SPILL, Insn(MOVE, 3, FRAME), Insn(LOAD, 6, 3, -8), WRITE),
        (Insn(MOVE, 3, FRAME), Insn(STORE, 3, 1, -8), FILL, WRITE),
        (SPILL, Insn(ATOMIC, 3, 6, 0, 0xE1), WRITE),  # xchg
        (SPILL, Insn(ATOMIC, 6, 3, 0, 0x100), WRITE),  # load acquire
        (Insn(IF, 2, off=1), Insn(op.EXIT), Insn(STORE, 1, 2, DI)),
        (
            Insn(op.JMP, off=2),
            WRITE,
            Insn(op.EXIT),
            Insn(MOVE, 6, 1),
            Insn(op.JMP, off=-4),
        ),  # backwards
        (Insn(op.JMP32, imm=1), Insn(op.EXIT), Insn(STORE, 1, 2, DI)),
    ],
)
def test_a_store_through_the_context(insns: tuple[Insn, ...]) -> None:
    assert writes(program(*insns))


@pytest.mark.parametrize(
    "insns",
    [
        (SPILL,),
        (Insn(op.CALL, imm=131), Insn(STORE, 0, 2)),
        (
            Insn(MOVE, 6, 1),
            Insn(op.CALL, imm=131),
            Insn(MOVE, 6, 0),
            WRITE,
        ),  # a record, where the context was
        (SPILL, Insn(STORE, FRAME, 0, -8), FILL, WRITE),
        (
            SPILL,
            Insn(op.CALL, imm=131),
            Insn(STORE, FRAME, 0, -16),
            Insn(LOAD, 6, FRAME, -16),
            WRITE,
        ),
        (Insn(op.JMP, off=1), Insn(STORE, 1, 2, DI)),  # not reached
        (
            Insn(LOAD, 6, 1, DI),
            WRITE,
        ),  # what the register points to: the verifier takes no such store
        (Insn(op.LD_IMM64, 1), Insn(0), Insn(STORE, 1, 2)),
        (Insn(op.ALU | op.X | 0xB0, 6, 1), WRITE),  # half of it
    ],
)
def test_other_stores(insns: tuple[Insn, ...]) -> None:
    assert not writes(program(*insns))


@pytest.mark.parametrize(
    ("insns", "functions"),
    [
        ((Insn(op.CALL, src=1, imm=1), Insn(op.EXIT), Insn(STORE, 1, 2, DI)), (0, 2)),
        (
            (Insn(op.CALL, src=1, imm=2), Insn(STORE, 0, 2, DI), Insn(op.EXIT), Insn(MOVE, 0, 1)),
            (0, 3),
        ),
        # on the stack of who calls, read through a pointer: as callbacks of bpf_loop() do
        ((SPILL, Insn(op.CALL, imm=181), Insn(op.EXIT), Insn(LOAD, 6, 2), WRITE), (0, 3)),
    ],
    ids=["an argument", "what is returned", "a callback"],
)
def test_subprograms(insns: tuple[Insn, ...], functions: tuple[int, ...]) -> None:
    assert writes(program(*insns, functions=functions))


def test_a_jump_table() -> None:
    insns = (Insn(op.JMP | op.X, 3), Insn(op.EXIT), Insn(STORE, 1, 2, DI))
    assert writes(program(*insns, tables=(JumpTableRef(0, (1, 2)),)))
    assert not writes(program(*insns, tables=(JumpTableRef(0, (1,)),)))


def test_code_that_is_too_long_to_follow() -> None:
    insns = [Insn(IF, 2, off=0)] * 300_000
    assert writes(program(*insns, Insn(STORE, 3, 2)))
    assert not writes(program(*insns[:1000], Insn(STORE, 3, 2)))
