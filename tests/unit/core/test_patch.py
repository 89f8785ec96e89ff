import pytest

from beepy.core.patch import POISON, patch
from beepy.core.resolve import Fixup
from beepy.errors import RelocationError
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from tests.support.core import LDX_W, MOV, program, ref

U64 = 1 << 64


def fix(
    old: int,
    new: int,
    sizes: tuple[int, int] = (0, 0),
    *,
    poison: bool = False,
    validate: bool = True,
) -> Fixup:
    return Fixup(
        insn=0,
        kind=0,
        old=old % U64,
        new=new % U64,
        poison=poison,
        validate=validate,
        old_size=sizes[0],
        new_size=sizes[1],
        access="struct s.a",
    )


def patched(insns: tuple[Insn, ...], fixup: Fixup) -> tuple[Insn, ...]:
    return patch(program(insns, (ref(1),)), (fixup,)).insns


def wide(value: int, **more: int) -> tuple[Insn, Insn]:
    def signed(half: int) -> int:
        return (half & 0xFFFFFFFF ^ 1 << 31) - (1 << 31)

    return Insn(op.LD_IMM64, 1, imm=signed(value), **more), Insn(0, imm=signed(value >> 32))


def test_relocations_are_gone_and_the_rest_stays() -> None:
    before = program((Insn(MOV, 1, imm=4), Insn(op.EXIT)), (ref(1),))
    after = patch(before, (fix(4, 8),))
    assert after == before._replace(insns=(Insn(MOV, 1, imm=8), Insn(op.EXIT)), core=())
    assert patch(before, ()) == before._replace(core=())


@pytest.mark.parametrize(
    ("old", "new", "imm", "becomes"),
    [(4, 1268, 4, 1268), (-1, -2, -1, -2), (0, 1 << 40 | 7, 0, 7), (0, 0x80000000, 0, -(1 << 31))],
)
def test_immediate(old: int, new: int, imm: int, becomes: int) -> None:
    for code in (MOV, op.ALU | op.K, op.ALU64 | op.K):
        assert patched((Insn(code, 1, imm=imm),), fix(old, new)) == (Insn(code, 1, imm=becomes),)


@pytest.mark.parametrize("group", [op.LDX, op.ST, op.STX])
def test_access(group: int) -> None:
    insn = Insn(group | op.MEM | op.H, 1, 2, 12, 5)
    assert patched((insn,), fix(12, 40)) == (insn._replace(off=40),)
    assert patched((insn,), fix(12, 40, sizes=(2, 2))) == (insn._replace(off=40),)
    widths = {1: op.B, 4: op.W, 8: op.DW}
    for size, width in widths.items():
        became = Insn(group | op.MEM | width, 1, 2, 40, 5)
        assert patched((insn,), fix(12, 40, sizes=(2, size))) == (became,)


def test_access_refused() -> None:
    insn = Insn(LDX_W, 1, 2, 12)
    with pytest.raises(RelocationError, match="32768 exceeds"):
        patched((insn,), fix(12, 32768))
    with pytest.raises(RelocationError, match="expected an access of 2 bytes"):
        patched((insn,), fix(12, 16, sizes=(2, 4)))
    with pytest.raises(RelocationError, match="no access takes 3 bytes"):
        patched((insn,), fix(12, 16, sizes=(4, 3)))


def test_wide_constant() -> None:
    assert patched(wide(5), fix(5, 1 << 63 | 1 << 31)) == wide(1 << 63 | 1 << 31)
    assert patched(wide(-1), fix(-1, -2)) == wide(-2)
    with pytest.raises(RelocationError, match="expected 18446744073709551615, got 4294967295"):
        patched(wide(0xFFFFFFFF), fix(-1, 0))
    with pytest.raises(RelocationError, match="not a plain"):
        patched(wide(5, src=1), fix(5, 6))
    with pytest.raises(RelocationError, match="not a plain"):
        patched((wide(5)[0], Insn(MOV)), fix(5, 6))
    with pytest.raises(RelocationError, match="ends within"):
        patched(wide(5)[:1], fix(5, 6))


@pytest.mark.parametrize("insn", [Insn(MOV, 1, imm=4), Insn(LDX_W, 1, 2, 4), wide(4)[0]])
def test_validation(insn: Insn) -> None:
    both = (insn, Insn(0))
    message = (
        r"^program 'prog': relocation 0 \(struct s\.a byte_off 5 -> 6\): "
        r"instruction 0: expected 5, got 4$"
    )
    with pytest.raises(RelocationError, match=message):
        patched(both, fix(5, 6))
    assert patched(both, fix(5, 6, validate=False)) != both


def test_poison() -> None:
    missing = fix(4, 0, poison=True, validate=False)
    assert Insn(0x85, imm=195896080) == POISON
    for insn in (Insn(MOV, 1, imm=9), Insn(LDX_W, 1, 2, 9), Insn(op.EXIT)):
        assert patched((insn, insn), missing) == (POISON, insn)
    assert patched((*wide(9), Insn(op.EXIT)), missing) == (POISON, POISON, Insn(op.EXIT))
    mismatch = fix(4, 8, poison=True, sizes=(4, 8))
    assert patched((Insn(LDX_W, off=4),), mismatch) == (POISON,)
    with pytest.raises(RelocationError, match="expected 4, got 9"):
        patched((Insn(LDX_W, off=9),), mismatch)


@pytest.mark.parametrize("code", [op.EXIT, op.CALL, op.ALU64 | op.X, op.JMP32, 0x30])
def test_other_instructions(code: int) -> None:
    with pytest.raises(RelocationError, match=r"cannot be relocated|no immediate"):
        patched((Insn(code),), fix(0, 1))


def test_the_same_instruction_twice() -> None:
    both = patch(program((Insn(MOV, 1, imm=4),)), (fix(4, 8), fix(8, 12)))
    assert both.insns == (Insn(MOV, 1, imm=12),)
