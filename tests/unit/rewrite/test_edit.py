"""Instructions are inserted and replaced, and all that counts instructions moves along.

Random programs: 300 for each property, 50 times as many in ``make soak``.
"""

import random
from itertools import pairwise

import pytest

from beepy.btf.types import TypeId
from beepy.errors import RewriteError
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import (
    CoreRef,
    DataRef,
    ExternRef,
    FuncInfo,
    JumpTableRef,
    LineInfo,
    MapRef,
    ProgramSpec,
)
from beepy.rewrite import edit
from beepy.rewrite.edit import Code, Edit, ReachedBy
from tests import soak
from tests.support.objects import EXIT
from tests.support.refusal import refused
from tests.support.specs import program

SEEDS = range(soak.times(300))

MOV = Insn(op.ALU64 | op.X | op.MOV)
NOP = Insn(op.GOTO)
CALL = Insn(op.CALL, imm=131)
WIDE = Insn(op.LD_IMM64, 1)
SECOND = Insn(0)
ADDED = Insn(op.MOV64_IMM, 9, imm=9)


def goto(off: int) -> Insn:
    return Insn(op.GOTO, off=off)


def jump_if(off: int) -> Insn:
    return Insn(op.JMP | 0x10, off=off)


def applied(*insns: Insn, edits: list[Edit]) -> tuple[Insn, ...]:
    return edit.apply(program(*insns), edits).insns


def test_a_jump_lands_behind_what_falling_through_reaches() -> None:
    insns = (jump_if(1), MOV, EXIT)
    assert applied(*insns, edits=[edit.insert(2, Code((ADDED,)), ReachedBy.FALL_THROUGH)]) == (
        jump_if(2), MOV, ADDED, EXIT,
    )  # fmt: skip


def test_a_jump_leads_to_code_that_jumps_reach_and_falling_through_steps_over_it() -> None:
    insns = (jump_if(1), MOV, EXIT)
    assert applied(*insns, edits=[edit.insert(2, Code((ADDED,)), ReachedBy.JUMPS)]) == (
        jump_if(2), MOV, goto(1), ADDED, EXIT,
    )  # fmt: skip


def test_code_that_is_reached_in_both_ways() -> None:
    insns = (jump_if(1), MOV, EXIT)
    assert applied(*insns, edits=[edit.insert(2, Code((ADDED,)), ReachedBy.BOTH)]) == (
        jump_if(1), MOV, ADDED, EXIT,
    )  # fmt: skip


def test_all_ways_at_one_place() -> None:
    codes = {kind: Code((ADDED._replace(imm=kind.value),)) for kind in ReachedBy}
    edits = [edit.insert(2, codes[kind], kind) for kind in reversed(ReachedBy)]
    fall, by_jump, both = (codes[kind].near[0] for kind in ReachedBy)
    assert applied(jump_if(1), MOV, EXIT, edits=edits) == (
        jump_if(3), MOV, fall, goto(1), by_jump, both, EXIT,
    )  # fmt: skip


def test_far_code_lies_at_the_end_of_the_function_and_comes_back() -> None:
    code = Code((jump_if(0),), (*(WIDE, SECOND), ADDED, goto(0)), (DataRef(1, "counts", 8),))
    changed = edit.apply(program(CALL, MOV, EXIT), [edit.insert(1, code, ReachedBy.FALL_THROUGH)])
    assert changed.insns == (CALL, jump_if(2), MOV, EXIT, WIDE, SECOND, ADDED, goto(-6))
    assert changed.refs == (DataRef(4, "counts", 8),)


def test_each_function_has_its_own_far_code() -> None:
    call = Insn(op.CALL, src=op.PSEUDO_CALL, imm=1)
    code = Code((jump_if(0),), (goto(0),))
    two = program(call, EXIT, CALL, EXIT)._replace(
        functions=(("p", 0), ("sub", 2)),
        func_infos=(FuncInfo(0, TypeId(1)), FuncInfo(2, TypeId(2))),
        line_infos=(LineInfo(0, 1, 1, 1), LineInfo(2, 2, 2, 2)),
    )
    changed = edit.apply(two, [edit.insert(at, code, ReachedBy.FALL_THROUGH) for at in (1, 3)])
    assert changed.insns == (
        call._replace(imm=3), jump_if(1), EXIT, goto(-2),
        CALL, jump_if(1), EXIT, goto(-2),
    )  # fmt: skip
    assert changed.functions == (("p", 0), ("sub", 4))
    assert [info.insn for info in changed.func_infos] == [0, 4]
    # far code has the line of the instruction before the insertion
    assert changed.line_infos == (
        LineInfo(0, 1, 1, 1), LineInfo(3, 1, 1, 1), LineInfo(4, 2, 2, 2), LineInfo(7, 2, 2, 2),
    )  # fmt: skip


def test_code_at_the_start_of_a_function_is_its_first_line() -> None:
    call = Insn(op.CALL, src=op.PSEUDO_CALL, imm=1)
    looping = program(call, EXIT, MOV, jump_if(-2), EXIT)._replace(
        functions=(("p", 0), ("sub", 2)),
        func_infos=(FuncInfo(0, TypeId(1)), FuncInfo(2, TypeId(2))),
        line_infos=(LineInfo(0, 1, 1, 1), LineInfo(2, 2, 2, 2)),
    )
    changed = edit.apply(looping, [edit.insert(2, Code((ADDED,)), ReachedBy.FALL_THROUGH)])
    assert changed.insns == (call, EXIT, ADDED, MOV, jump_if(-2), EXIT)  # not into the prologue
    assert (changed.functions[1], changed.func_infos[1].insn) == (("sub", 2), 2)
    assert [info.insn for info in changed.line_infos] == [0, 2]


def test_the_address_of_a_callback() -> None:
    address = WIDE._replace(src=op.PSEUDO_FUNC, imm=2)
    callback = program(address, SECOND, EXIT, EXIT)._replace(functions=(("p", 0), ("cb", 3)))
    changed = edit.apply(callback, [edit.insert(2, Code((ADDED,)), ReachedBy.BOTH)])
    assert changed.insns[0] == address._replace(imm=3)


def test_everything_moves_along() -> None:
    table = (0, 4)
    busy = program(
        *(WIDE, SECOND, CALL, WIDE, SECOND, WIDE, SECOND, EXIT),
        refs=(MapRef(0, "m"), ExternRef(2, "f"), JumpTableRef(3, table), JumpTableRef(5, table)),
    )._replace(core=(CoreRef(2, TypeId(1), "0", 0),), line_infos=(LineInfo(2, 1, 1, 1),))
    changed = edit.apply(busy, [edit.insert(2, Code((ADDED, ADDED)), ReachedBy.FALL_THROUGH)])
    assert changed.refs == (
        MapRef(0, "m"), ExternRef(4, "f"), JumpTableRef(5, (0, 6)), JumpTableRef(7, (0, 6)),
    )  # fmt: skip
    assert changed.core == (CoreRef(4, TypeId(1), "0", 0),)
    assert changed.line_infos == (LineInfo(4, 1, 1, 1),)


def test_the_call_of_a_kernel_function_is_not_a_call_of_the_program() -> None:
    kfunc = Insn(op.CALL, src=op.PSEUDO_CALL, imm=-1)
    changed = edit.apply(
        program(kfunc, EXIT, refs=(ExternRef(0, "f"),)),
        [edit.insert(0, Code((ADDED,)), ReachedBy.BOTH)],
    )
    assert changed.insns == (ADDED, kfunc, EXIT)


def test_replace() -> None:
    wide = program(jump_if(0), WIDE, SECOND, EXIT, refs=(MapRef(1, "m"),))
    changed = edit.apply(wide, [edit.replace(1, Code((ADDED,)))])
    assert (changed.insns, changed.refs) == ((jump_if(0), ADDED, EXIT), ())


def test_replace_by_nothing_at_the_end() -> None:
    assert applied(goto(1), WIDE, SECOND, edits=[edit.replace(1, Code(()))]) == (goto(0),)


@pytest.mark.parametrize("jump", [goto(5), jump_if(-2), Insn(op.GOTO_LONG, imm=1 << 20)])
def test_a_jump_out_of_the_program(jump: Insn) -> None:
    with refused(RewriteError, "program 'p': instruction 0: a jump or call out of the program"):
        applied(jump, EXIT, edits=[edit.insert(0, Code((ADDED,)), ReachedBy.BOTH)])


def test_a_function_that_falls_off_its_end_gets_no_far_code() -> None:
    with refused(RewriteError, "program 'p': a function ends without exit or jump"):
        applied(CALL, MOV, edits=[edit.insert(1, Code((jump_if(0),), (goto(0),)), ReachedBy.BOTH)])


@pytest.mark.parametrize("seed", SEEDS)
def test_an_edit_of_nothing(seed: int) -> None:
    dice = random.Random(seed)
    before = random_program(dice)
    edits = [edit.insert(at, Code(()), ReachedBy.BOTH) for at in places(before, dice)]
    assert edit.apply(before, edits) == before


@pytest.mark.parametrize("seed", SEEDS)
def test_a_changed_program_does_the_same(seed: int) -> None:
    """Interpret both: instructions of the program are marked, and met in the same order."""
    dice = random.Random(seed)
    before = random_program(dice)
    edits = [
        edit.insert(at, dice.choice(SPLICES), dice.choice([*ReachedBy]))
        for at in places(before, dice)
    ]
    after = edit.apply(before, edits)
    branches = [dice.random() < 0.5 for _ in range(200)]
    assert trail(after, branches) == trail(before, branches)
    assert {ref.map for ref in before.refs if isinstance(ref, MapRef)} <= {
        ref.map for ref in after.refs if isinstance(ref, MapRef)
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_ways_into_inserted_code(seed: int) -> None:
    """Code for each way is met where that way leads to its place, and only there."""
    dice = random.Random(seed)
    before = random_program(dice)
    way = dice.choice([*ReachedBy])
    at = dice.choice(places(before, dice) or [0])
    after = edit.apply(before, [edit.insert(at, Code((ADDED,)), way)])
    branches = [dice.random() < 0.5 for _ in range(200)]
    if len(visits(before, branches)) == STEPS:
        return  # an endless loop
    expected = [
        came in {ReachedBy.FALL_THROUGH: "fall", ReachedBy.JUMPS: "jump"}.get(way, came)
        for met, came in visits(before, branches)
        if met == at
    ]
    assert sum(insn == ADDED for insn in met_insns(after, branches)) == sum(expected)


STEPS = 3000
SPLICES = (
    Code((NOP,)),
    Code((ADDED, jump_if(1), ADDED)),
    Code((jump_if(0),), (ADDED, goto(0))),
    Code((WIDE, SECOND), refs=(MapRef(0, "new"),)),
    Code((jump_if(2), ADDED, goto(2)), (WIDE, SECOND, goto(0)), (MapRef(3, "new"),)),
)


def random_program(dice: random.Random) -> ProgramSpec:
    """Return up to three functions of marked instructions, jumps within each, and calls."""
    insns: list[Insn] = []
    functions, lines, refs = [], [], []
    sizes = [dice.randint(1, 8) for _ in range(dice.randint(1, 3))]
    for number in range(len(sizes)):
        start = len(insns)
        functions.append((f"f{number}", start))
        lines.append(LineInfo(start, 0, 0, start))
        units: list[tuple[Insn, ...]] = []
        for _ in range(sizes[number]):
            kind = dice.randrange(6)
            mark = Insn(op.MOV64_IMM, 1, imm=1 + dice.randrange(1 << 20))
            if kind == 0:
                units.append((WIDE._replace(imm=mark.imm), SECOND))
            elif kind == 1:
                units.append((Insn(op.JMP | 0x10, imm=mark.imm),))
            elif kind == 2:
                units.append((dice.choice([NOP, Insn(op.GOTO_LONG)]),))
            elif kind == 3 and number + 1 < len(sizes):
                units.append(
                    (
                        Insn(
                            op.CALL,
                            src=op.PSEUDO_CALL,
                            imm=dice.randint(number + 1, len(sizes) - 1),
                        ),
                    )
                )
            else:
                units.append((mark,))
        units.append((EXIT,))
        starts = [start]
        for unit in units:
            starts.append(starts[-1] + len(unit))
        for unit, at in zip(units, starts, strict=False):
            first = unit[0]
            if first.code == op.GOTO_LONG:
                first = first._replace(imm=dice.choice(starts[:-1]) - at - 1)
            elif op.jumps(first.code):
                first = first._replace(off=dice.choice(starts[:-1]) - at - 1)
            elif first.wide and dice.random() < 0.5:
                refs.append(MapRef(at, f"m{at}"))
            insns += [first, *unit[1:]]
    begins = [start for _, start in functions]
    insns = [
        insn._replace(imm=begins[insn.imm] - at - 1) if insn.call else insn
        for at, insn in enumerate(insns)
    ]
    return program(*insns, refs=tuple(refs))._replace(
        functions=tuple(functions), line_infos=tuple(lines)
    )


def places(spec: ProgramSpec, dice: random.Random) -> list[int]:
    """Return random places, none between the halves of an LD_IMM64."""
    second = {at + 1 for at, insn in enumerate(spec.insns) if insn.wide}
    there = [at for at in range(len(spec.insns)) if at not in second]
    return sorted(dice.choices(there, k=dice.randint(0, 4)))


def walk(spec: ProgramSpec, branches: list[bool]) -> list[tuple[int, str]]:
    """Return the instructions that run, and how each was reached, until 100 branches were met."""
    at, came = 0, "fall"
    stack: list[int] = []
    walked: list[tuple[int, str]] = []
    choices = iter(branches)
    for _ in range(STEPS):
        insn = spec.insns[at]
        walked.append((at, came))
        at, came = at + 1 + insn.wide, "fall"
        if insn.code == op.EXIT:
            if not stack:
                break
            at = stack.pop()
        elif insn.call:
            stack.append(at)
            at += insn.imm
        elif insn.code == op.GOTO_LONG:
            at, came = at + insn.imm, "jump"
        elif insn.code == op.GOTO or (op.jumps(insn.code) and insn.imm and next(choices)):
            at, came = at + insn.off, "jump"
    return walked


def visits(spec: ProgramSpec, branches: list[bool]) -> list[tuple[int, str]]:
    return walk(spec, [*branches, *[False] * STEPS])


def met_insns(spec: ProgramSpec, branches: list[bool]) -> list[Insn]:
    return [spec.insns[at] for at, _ in visits(spec, branches)]


def trail(spec: ProgramSpec, branches: list[bool]) -> list[int]:
    """Return the marks of the first instructions that run."""
    return [
        insn.imm
        for insn in met_insns(spec, branches)
        if insn != ADDED and not insn.call and insn.code != op.GOTO_LONG and insn.imm
    ][:50]


def test_lines_stay_in_order() -> None:
    dice = random.Random(1)
    for _ in range(50):
        before = random_program(dice)
        code = Code((jump_if(0),), (goto(0),))
        edits = [edit.insert(at, code, ReachedBy.FALL_THROUGH) for at in {*places(before, dice)}]
        lines = edit.apply(before, edits).line_infos
        assert all(low.insn < high.insn for low, high in pairwise(lines))
