"""What registers hold at each call."""

import pytest

from beepy.btf.types import TypeId
from beepy.flow.budget import Budget
from beepy.flow.machine import Memory, Write
from beepy.flow.trace import Call, Flow, trace
from beepy.flow.values import ANY_STACK, UNKNOWN, Kind, Value, Values, constant
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import (
    CoreRef,
    DataRef,
    ExternRef,
    JumpTableRef,
    MapRef,
    MapSpec,
    ProgramSpec,
    Ref,
)
from beepy.uapi import HELPERS, CoreReloKind, MapType

MOVE, ADD, SUB = (op.ALU64 | op.X | operation for operation in (op.MOV, op.ADD, op.SUB))
NUMBER, PLUS = op.MOV64_IMM, op.ALU64 | op.K
STORE, LOAD = op.STX | op.MEM | op.DW, op.LDX | op.MEM | op.DW
STORE_W, ZERO = op.STX | op.MEM | op.W, op.ST | op.MEM | op.DW
ATOMIC = op.STX | op.ATOMIC | op.DW
FRAME = op.FRAME
EXIT = Insn(op.EXIT)
WIDE = (Insn(op.LD_IMM64, 1), Insn(0))
IF = Insn(op.JMP | op.K | 0x10, 9)

MAPS = {
    "events": MapSpec("events", ".maps", MapType.RINGBUF),
    "heap": MapSpec("heap", ".maps", MapType.ARRAY),
    "outer": MapSpec("outer", ".maps", MapType.HASH_OF_MAPS),
}


def call(name: str) -> Insn:
    return Insn(op.CALL, imm=HELPERS.index(name))


def local(distance: int) -> Insn:
    return Insn(op.CALL, src=op.PSEUDO_CALL, imm=distance)


SHOWN = call("trace_printk")  # its r1 is what tests look at
RESERVE = call("ringbuf_reserve")


def program(
    *insns: Insn, refs: tuple[Ref, ...] = (), starts: tuple[int, ...] = (0,), core: int = -1
) -> ProgramSpec:
    functions = tuple([(f"f{start}", start) for start in starts])
    patched = CoreRef(core, TypeId(1), "0", CoreReloKind.FIELD_BYTE_OFFSET)
    return ProgramSpec("p", "kprobe", insns, refs, (patched,) * (core >= 0), (), (), functions)


def flow(*insns: Insn, **parts: object) -> Flow:
    return trace(program(*insns, **parts), MAPS, Budget())  # type: ignore[arg-type]


def shown(*insns: Insn, **parts: object) -> Values:
    """Return what r1 holds at the last call of SHOWN."""
    calls = [one for one in flow(*insns, **parts).calls if one.name == "trace_printk"]
    return calls[-1].arguments[0]


def value(kind: Kind, base: str | int = 0, offset: int | None = 0) -> Values:
    return frozenset({Value(kind, base, offset)})


CONTEXT = value(Kind.CONTEXT)
EVENTS, HEAP = value(Kind.MAP, "events"), value(Kind.MAP, "heap")
REF = (MapRef(0, "events"),)


def test_registers() -> None:
    assert shown(SHOWN, EXIT) == CONTEXT
    assert shown(*WIDE, SHOWN, EXIT, refs=REF) == EVENTS
    assert shown(*WIDE, SHOWN, EXIT, refs=(DataRef(0, ".bss", 8),)) == value(Kind.DATA, ".bss", 8)
    assert shown(WIDE[0]._replace(imm=-1), Insn(0, imm=1), SHOWN, EXIT) == constant(0x1FFFFFFFF)
    assert shown(*WIDE, SHOWN, EXIT, refs=(ExternRef(0, "jiffies"),)) == UNKNOWN
    assert shown(Insn(PLUS, 1, imm=8), SHOWN, EXIT) == value(Kind.CONTEXT, 0, 8)
    assert shown(Insn(SUB, 1, 2), SHOWN, EXIT) == value(Kind.CONTEXT, 0, None)
    assert shown(Insn(MOVE, 1, FRAME), Insn(PLUS, 1, imm=-8), SHOWN, EXIT) == stack(-8)
    assert shown(Insn(NUMBER, 1, imm=-1), SHOWN, EXIT) == constant(-1)
    assert shown(Insn(op.ALU | op.MOV, 1, imm=-1), SHOWN, EXIT) == constant(0xFFFFFFFF)
    assert shown(Insn(op.ALU | op.X | op.MOV, 1, 1), SHOWN, EXIT) == UNKNOWN
    assert shown(Insn(MOVE, 1, 1, off=8), SHOWN, EXIT) == UNKNOWN  # with its sign
    assert shown(Insn(op.ALU64 | 0x50, 1, imm=7), SHOWN, EXIT) == UNKNOWN


def stack(offset: int | None, frame: int = 0) -> Values:
    return value(Kind.STACK, frame, offset)


def test_what_core_patches_is_unknown() -> None:
    assert shown(Insn(NUMBER, 1, imm=8), SHOWN, EXIT, core=0) == UNKNOWN
    assert shown(Insn(PLUS, 1, imm=8), SHOWN, EXIT, core=0) == value(Kind.CONTEXT, 0, None)


def test_calls_take_r0_to_r5() -> None:
    assert shown(SHOWN, SHOWN, EXIT) == UNKNOWN
    assert shown(Insn(MOVE, 6, 1), SHOWN, Insn(MOVE, 1, 6), SHOWN, EXIT) == CONTEXT
    assert shown(Insn(op.LD | 0x20), SHOWN, EXIT) == UNKNOWN  # LD_ABS


SPILL, FILL = Insn(STORE, FRAME, 1, -8), Insn(LOAD, 1, FRAME, -8)
NO_R1 = Insn(LOAD, 1, 9)


@pytest.mark.parametrize(
    ("between", "held"),
    [
        ((), CONTEXT),
        ((Insn(ZERO, FRAME, off=-16),), CONTEXT),
        ((Insn(ZERO, FRAME, off=-8),), constant(0)),
        ((Insn(STORE_W, FRAME, 2, -4),), UNKNOWN),
        ((Insn(STORE_W, FRAME, 2, -12),), CONTEXT),
        ((Insn(STORE, FRAME, 2, -12),), UNKNOWN),  # overlaps it
        ((Insn(MOVE, 3, FRAME), Insn(STORE, 3, FRAME, -8)), stack(0)),
        ((Insn(ATOMIC, FRAME, 2, -8, imm=op.ADD),), UNKNOWN),
        ((Insn(ATOMIC, FRAME, FRAME, -8, imm=op.STORE_RELEASE),), stack(0)),
        # somewhere on the stack: another address, or a number
        ((Insn(MOVE, 3, FRAME), Insn(ADD, 3, 2), Insn(STORE, 3, 9)), UNKNOWN),
        ((Insn(MOVE, 3, FRAME), Insn(ADD, 3, 2), Insn(STORE_W, 3, 9)), CONTEXT),
        ((Insn(MOVE, 3, FRAME), Insn(ADD, 3, 2), Insn(STORE, 3, FRAME)), ANY_STACK),
        # not on the stack
        ((Insn(STORE, 9, FRAME, -8),), CONTEXT),
        # a helper that is given its address, and writes numbers
        ((Insn(MOVE, 1, FRAME), Insn(PLUS, 1, imm=-8), SHOWN), CONTEXT),
    ],
)
def test_spills(between: tuple[Insn, ...], held: Values) -> None:
    assert shown(SPILL, NO_R1, *between, FILL, SHOWN, EXIT) == held


def test_a_helper_overwrites_numbers() -> None:
    spill = Insn(ZERO, FRAME, off=-8)
    for offset, held in ((-8, UNKNOWN), (-16, UNKNOWN), (0, constant(0))):
        address = (Insn(MOVE, 1, FRAME), Insn(PLUS, 1, imm=offset))
        assert shown(spill, *address, SHOWN, FILL, SHOWN, EXIT) == held


def test_what_two_paths_hold() -> None:
    branch = (*WIDE, IF._replace(off=2), Insn(op.LD_IMM64, 1), Insn(0), SHOWN, EXIT)
    assert shown(*branch, refs=(*REF, MapRef(3, "events"))) == EVENTS
    assert shown(*branch, refs=(*REF, MapRef(3, "heap"))) == EVENTS | HEAP
    assert shown(*branch, refs=REF) == EVENTS | constant(0)
    assert shown(*branch, refs=(*REF, ExternRef(3, "jiffies"))) == UNKNOWN
    spills = (IF._replace(off=1), SPILL, FILL, SHOWN, EXIT)
    assert shown(SPILL, *spills) == CONTEXT
    assert shown(*spills) == UNKNOWN


@pytest.mark.parametrize(
    "jump", [Insn(op.GOTO, off=1), Insn(op.GOTO_LONG, imm=1), Insn(op.GOTO_TABLE, 3)]
)
def test_jumps(jump: Insn) -> None:
    skipped = Insn(NUMBER, 1, imm=1)
    table = JumpTableRef(9, (2,))
    assert shown(jump, skipped, SHOWN, EXIT, refs=(table,)) == CONTEXT


def test_loops() -> None:
    step = (SHOWN, Insn(MOVE, 1, 6), Insn(PLUS, 6, imm=8), IF._replace(off=-4), EXIT)
    assert shown(Insn(MOVE, 6, FRAME), Insn(MOVE, 1, 6), *step) == stack(None)
    assert shown(Insn(NUMBER, 6), Insn(MOVE, 1, 6), *step) == UNKNOWN


def test_results() -> None:
    show = (Insn(MOVE, 1, 0), SHOWN, EXIT)
    assert shown(*WIDE, RESERVE, *show, refs=REF) == value(Kind.RECORD, 2)
    lookup = call("map_lookup_elem")
    for name, kind in (("heap", Kind.ELEMENT), ("outer", Kind.INNER_MAP)):
        assert shown(*WIDE, lookup, *show, refs=(MapRef(0, name),)) == value(kind, name)
    inner = (*WIDE, lookup, Insn(MOVE, 1, 0), lookup, *show)
    assert shown(*inner, refs=(MapRef(0, "outer"),)) == value(Kind.ELEMENT, "outer")
    assert shown(lookup, *show) == UNKNOWN


def test_dynptrs() -> None:
    dynptr = (Insn(MOVE, 4, FRAME), Insn(PLUS, 4, imm=-16))
    reserve = (*WIDE, *dynptr, call("ringbuf_reserve_dynptr"))
    data = (Insn(MOVE, 1, FRAME), Insn(PLUS, 1, imm=-16), call("dynptr_data"), Insn(MOVE, 1, 0))
    assert shown(*reserve, *data, SHOWN, EXIT, refs=REF) == value(Kind.RECORD, 4)


def test_arguments_of_functions() -> None:
    sub = (SHOWN, EXIT)
    assert shown(*WIDE, local(1), EXIT, *sub, refs=REF, starts=(0, 4)) == EVENTS
    twice = (*WIDE, local(4), Insn(op.LD_IMM64, 1), Insn(0), local(1), EXIT, *sub)
    both = (*REF, MapRef(3, "heap"))
    assert shown(*twice, refs=both, starts=(0, 7)) == EVENTS | HEAP
    unknown = (*REF, ExternRef(3, "jiffies"))
    assert shown(*twice, refs=unknown, starts=(0, 7)) == UNKNOWN
    assert shown(EXIT, *sub, starts=(0, 1)) == UNKNOWN  # which nothing calls


def test_results_of_functions() -> None:
    main = (*WIDE, local(3), Insn(MOVE, 1, 0), SHOWN, EXIT)
    same = (Insn(MOVE, 0, 1), EXIT)
    assert shown(*main, *same, refs=REF, starts=(0, 6)) == EVENTS
    # r6 and what is spilled stays
    keeps = (Insn(MOVE, 6, 1), SPILL, local(3), Insn(MOVE, 1, 6), SHOWN, EXIT)
    assert shown(*keeps, Insn(NUMBER, 6), Insn(STORE, FRAME, 6, -8), EXIT, starts=(0, 6)) == CONTEXT
    spilled = (SPILL, local(3), FILL, SHOWN, EXIT)
    assert shown(*spilled, Insn(ZERO, FRAME, off=-8), EXIT, starts=(0, 5)) == CONTEXT


def test_functions_that_never_return() -> None:
    never = (Insn(op.GOTO, off=-1),)
    assert shown(SPILL, local(2), SHOWN, EXIT, *never, starts=(0, 4)) == UNKNOWN


ADDRESS = (Insn(MOVE, 1, FRAME), Insn(PLUS, 1, imm=-8))


@pytest.mark.parametrize(
    ("sub", "held"),
    [
        ((EXIT,), CONTEXT),
        ((Insn(STORE, 1, 2), EXIT), UNKNOWN),
        ((Insn(STORE, 1, FRAME), EXIT), CONTEXT | stack(0, frame=7)),
        ((Insn(ADD, 1, 2), Insn(STORE, 1, 2), EXIT), ANY_STACK),
    ],
)
def test_functions_that_have_addresses_on_the_stack_of_others(
    sub: tuple[Insn, ...], held: Values
) -> None:
    assert shown(SPILL, *ADDRESS, local(3), FILL, SHOWN, EXIT, *sub, starts=(0, 7)) == held


def test_functions_read_the_stack_of_others() -> None:
    read = (Insn(LOAD, 1, 1), SHOWN, EXIT)
    assert shown(SPILL, *ADDRESS, local(1), EXIT, *read, starts=(0, 5)) == CONTEXT


@pytest.mark.parametrize(
    ("helper", "register", "given", "held"),
    [
        ("loop", 2, 3, 2),
        ("for_each_map_elem", 2, 3, 4),
        ("find_vma", 3, 4, 3),
        ("user_ringbuf_drain", 2, 3, 2),
    ],
)
def test_callbacks(helper: str, register: int, given: int, held: int) -> None:
    main = (
        Insn(MOVE, given, 1),
        Insn(op.LD_IMM64, register, op.PSEUDO_FUNC, imm=3),
        Insn(0),
        call(helper),
        EXIT,
    )
    callback = (Insn(MOVE, 1, held), SHOWN, EXIT)
    assert shown(*main, *callback, starts=(0, 5)) == CONTEXT


def test_the_callback_of_each_entry_of_a_map() -> None:
    callback_address = (Insn(op.LD_IMM64, 2, op.PSEUDO_FUNC, imm=3), Insn(0))
    main = (*WIDE, *callback_address, call("for_each_map_elem"), EXIT)
    for argument, held in ((1, HEAP), (3, value(Kind.ELEMENT, "heap"))):
        callback = (Insn(MOVE, 1, argument), SHOWN, EXIT)
        assert shown(*main, *callback, refs=(MapRef(0, "heap"),), starts=(0, 6)) == held


def test_writes() -> None:
    reserve = (*WIDE, RESERVE, Insn(STORE_W, 0, 9, 4), Insn(ZERO, 0, off=8), EXIT)
    assert flow(*reserve, refs=REF).writes == {
        Memory(Kind.RECORD, 2): {Write(4, 4, zero=False), Write(8, 8, zero=True)}
    }


def test_calls() -> None:
    kfunc = Insn(op.CALL, src=op.PSEUDO_CALL, imm=-1)
    traced = flow(kfunc, Insn(op.CALL, imm=9999), EXIT, refs=(ExternRef(0, "bpf_x"),))
    assert [(one.insn, one.name) for one in traced.calls] == [(0, "bpf_x"), (1, "")]
    assert traced.calls[0] == Call(0, "bpf_x", (CONTEXT, *(UNKNOWN,) * 4))


def test_code_that_nobody_compiles() -> None:
    assert flow(Insn(op.LD_IMM64, 1)).complete
    assert flow(Insn(op.GOTO, off=-9)).complete
    assert flow(local(-9), EXIT).complete
    assert flow(Insn(MOVE, 15, 14), Insn(0xFF, 15, 15), EXIT, starts=(0, 3)).complete
    assert flow(*WIDE, RESERVE, refs=REF).calls


def test_the_budget() -> None:
    spent = Budget(3)
    assert trace(program(SHOWN, EXIT), MAPS, spent) == Flow(complete=False)
    assert trace(program(*[SHOWN] * 4), MAPS, Budget(3)) == Flow(complete=False)
