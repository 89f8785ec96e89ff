"""What compilers make of ``data_end - data``, in small."""

import pytest

from beepy.analysis.pointers import subtracts
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import ProgramSpec
from beepy.oci.lookup import bundled_store
from beepy.source import parse
from beepy.uapi import ProgType

LOAD = op.LDX | op.MEM | op.W
MOVE = op.ALU64 | op.X | 0xB0
SUBTRACT = op.ALU64 | op.X | 0x10
ADD = op.ALU64 | op.X
SPILL = op.STX | op.MEM | op.DW
FILL = op.LDX | op.MEM | op.DW
FRAME = 10
END, DATA = Insn(LOAD, 2, 1, 4), Insn(LOAD, 3, 1, 0)


def program(*insns: Insn, functions: tuple[tuple[str, int], ...] = (("p", 0),)) -> ProgramSpec:
    return ProgramSpec("p", "xdp", (*insns, Insn(op.EXIT)), (), (), (), (), functions)


@pytest.mark.parametrize(
    "insns",
    [
        (END, DATA, Insn(SUBTRACT, 2, 3)),
        (
            Insn(MOVE, 6, 1),
            Insn(op.CALL, imm=5),
            Insn(LOAD, 2, 6, 4),
            Insn(LOAD, 3, 6, 8),
            Insn(SUBTRACT, 2, 3),
        ),
        (END, Insn(SPILL, FRAME, 2, -8), DATA, Insn(FILL, 5, FRAME, -8), Insn(SUBTRACT, 5, 3)),
        (END, DATA, Insn(op.ALU64 | op.K, 3, imm=14), Insn(ADD, 4, 3), Insn(SUBTRACT, 2, 4)),
    ],
    ids=["registers", "the context is kept", "spilled", "behind a header"],
)
def test_the_difference_of_two_packet_pointers(insns: tuple[Insn, ...]) -> None:
    assert subtracts(ProgType.XDP, program(*insns))
    assert not subtracts(ProgType.KPROBE, program(*insns))


@pytest.mark.parametrize(
    "insns",
    [
        (END, Insn(SUBTRACT, 2, 3)),
        (END, Insn(LOAD, 3, 1, 12), Insn(SUBTRACT, 2, 3)),  # ingress_ifindex
        (END, DATA, Insn(op.CALL, imm=5), Insn(SUBTRACT, 2, 3)),
        (END, DATA, Insn(op.ALU | op.X | 0xB0, 3, 4), Insn(SUBTRACT, 2, 3)),
        (END, DATA, Insn(op.MOV64_IMM, 3), Insn(SUBTRACT, 2, 3)),
        (END, DATA, Insn(LOAD, 3, 3), Insn(SUBTRACT, 2, 3)),  # what is in the packet
    ],
)
def test_other_differences(insns: tuple[Insn, ...]) -> None:
    assert not subtracts(ProgType.XDP, program(*insns))


def test_each_function_begins_anew() -> None:
    insns = (END, DATA, Insn(SUBTRACT, 2, 3))
    assert not subtracts(ProgType.XDP, program(*insns, functions=(("p", 0), ("f", 2))))


def test_the_fields_are_those_of_the_type() -> None:
    insns = (Insn(LOAD, 2, 1, 80), Insn(LOAD, 3, 1, 76), Insn(SUBTRACT, 2, 3))
    assert subtracts(ProgType.SCHED_CLS, program(*insns))
    assert not subtracts(ProgType.XDP, program(*insns))


def test_xdpcount_takes_the_length_of_a_packet() -> None:
    (found,) = parse(bundled_store().get("xdpcount")).programs
    assert subtracts(ProgType.XDP, found)
