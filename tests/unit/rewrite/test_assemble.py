"""Jumps that do not fit 16 bits become long ones."""

from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.rewrite.assemble import assemble
from tests.support.objects import EXIT, NOP

IF = Insn(op.JMP | 0x10, 3, imm=7)
LONGEST = (1 << 15) - 1


def filled(first: Insn, count: int) -> list[Insn]:
    return [first, *[NOP] * count, EXIT]


def test_the_longest_short_jump() -> None:
    insns, _ = assemble(filled(IF, LONGEST), {0: LONGEST + 1})
    assert insns[0] == IF._replace(off=LONGEST)
    assert len(insns) == LONGEST + 2


def test_a_condition_steps_over_a_long_jump() -> None:
    count = LONGEST + 1
    insns, starts = assemble(filled(IF, count), {0: count + 1})
    assert insns[:4] == (
        IF._replace(off=1), Insn(op.GOTO, off=1), Insn(op.GOTO_LONG, imm=count), NOP,
    )  # fmt: skip
    assert insns[3 + insns[2].imm] == EXIT
    assert (starts[1], starts[-1]) == (3, count + 4)


def test_a_jump_becomes_a_long_one() -> None:
    count = LONGEST + 1
    insns, _ = assemble(filled(Insn(op.GOTO), count), {0: count + 1})
    assert insns[0] == Insn(op.GOTO_LONG, imm=count)


def test_a_jump_back() -> None:
    cells = [*[NOP] * (LONGEST + 1), IF, EXIT]
    insns, _ = assemble(cells, {LONGEST + 1: 0})
    assert insns[LONGEST + 3] == Insn(op.GOTO_LONG, imm=-(LONGEST + 4))


def test_a_jump_that_grows_because_another_did() -> None:
    """The inner one fits until the outer one, which it steps over, takes three slots."""
    cells = [IF, IF, *[NOP] * (LONGEST - 1), NOP, EXIT, EXIT]
    far, near = len(cells) - 1, len(cells) - 2
    insns, _ = assemble(cells, {0: far, 1: near})
    assert insns[2] == Insn(op.GOTO_LONG, imm=len(insns) - 1 - 3)
    assert insns[1] == Insn(op.GOTO, off=1)
    longer = assemble([IF, *cells], {0: near + 1, 1: far + 1})[0]
    assert longer[2].code == longer[5].code == op.GOTO_LONG


def test_calls_have_32_bits() -> None:
    call = Insn(op.CALL, src=op.PSEUDO_CALL)
    insns, _ = assemble(filled(call, 1 << 16), {0: (1 << 16) + 1})
    assert insns[0] == call._replace(imm=1 << 16)
