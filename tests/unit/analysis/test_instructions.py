"""Features of the kernel that instructions need."""

import pytest

from beepy.analysis import instructions
from beepy.features import Feature
from beepy.obj import insn as op
from beepy.obj.insn import Insn

EXIT = Insn(op.EXIT)
MOV = Insn(0xB7)


def features(*insns: Insn, search_loops: bool = True) -> list[Feature]:
    """Return the features that a program needs which begins with ``insns`` and returns a number."""
    return list(instructions.features((*insns, MOV, EXIT), search_loops=search_loops))


@pytest.mark.parametrize(
    ("insns", "expected"),
    [
        ([], []),
        ([Insn(0x56, 1, off=0)], [Feature.JMP32]),
        ([MOV] * 4096, [Feature.LARGE_PROGRAMS]),
        ([Insn(0xDB, 1, 2, 0, 0)], []),
        ([Insn(0xDB, 1, 2, 0, 1)], [Feature.ATOMICS]),
        ([Insn(0x18, 2, op.PSEUDO_FUNC), Insn(0)], [Feature.CALLBACKS]),
        ([Insn(op.CALL, src=op.PSEUDO_CALL, imm=1), EXIT], [Feature.SUBPROGRAMS]),
        ([Insn(0x81, 1, 2)], [Feature.LOAD_SIGNED]),
        ([Insn(0xBF, 1, 2, 8)], [Feature.MOVE_SIGNED]),
        ([Insn(0x3F, 1, 2, 1)], [Feature.DIVIDE_SIGNED]),
        ([Insn(0x3F, 1, 2, 0)], []),
        ([Insn(0xD7, 1, imm=16)], [Feature.BSWAP]),
        ([Insn(0xD4, 1, imm=16)], []),
        ([Insn(0x06, imm=0)], [Feature.JMP32_JA]),
        ([Insn(0xBF, 1, 2, 1)], [Feature.ADDRESS_SPACES]),
        ([Insn(0xE5, off=0)], [Feature.MAY_GOTO]),
        ([Insn(0xDB, 1, 2, 0, 0x100)], [Feature.LOAD_ACQUIRE]),
    ],
)
def test_features(insns: list[Insn], expected: list[Feature]) -> None:
    assert features(*insns) == expected


def test_a_jump_back_to_an_instruction_on_its_path_is_a_loop() -> None:
    assert features(MOV, Insn(0x55, 1, off=-2)) == [Feature.LOOPS]


def test_other_jumps_back_are_loops_only_if_none_are_searched() -> None:
    back = (Insn(0x05, off=1), Insn(0x05, off=1), Insn(0x05, off=-2))
    assert features(*back) == []
    assert features(*back, search_loops=False) == [Feature.LOOPS]
