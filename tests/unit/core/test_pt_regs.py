import pytest

from beepy.btf.btf import Btf
from beepy.btf.writer import BtfWriter
from beepy.core.resolve import Resolver
from beepy.obj.insn import DW, LDX, MEM, Insn
from beepy.uapi import CoreReloKind
from tests.support.core import program, ref

LOAD = LDX | MEM | DW


def x86() -> BtfWriter:
    btf = BtfWriter()
    long = btf.integer("unsigned long", 8, 0)
    names = ("r10", "bp", "cx", "dx", "si", "di", "ax", "ip", "sp", "ss", "orig_ax")
    btf.struct("pt_regs", 8 * len(names), [(name, long, 64 * at) for at, name in enumerate(names)])
    return btf


def arm64() -> BtfWriter:
    btf = BtfWriter()
    u64 = btf.integer("unsigned long long", 8, 0)
    regs = btf.array(u64, 31)
    members = [
        ("regs", regs, 0),
        ("sp", u64, 31 * 64),
        ("pc", u64, 32 * 64),
        ("pstate", u64, 33 * 64),
    ]
    user = btf.struct("user_pt_regs", 34 * 8, members)
    inner = btf.struct("", 34 * 8, members)
    union = btf.union("", 34 * 8, [("user_regs", user, 0), ("", inner, 0)])
    btf.struct("pt_regs", 35 * 8, [("", union, 0), ("orig_x0", u64, 34 * 64)])
    return btf


def resolved(
    member: str, target: BtfWriter, kind: int = CoreReloKind.FIELD_BYTE_OFFSET
) -> tuple[int, bool, set[str]]:
    local = x86()
    names = ("r10", "bp", "cx", "dx", "si", "di", "ax", "ip", "sp", "ss", "orig_ax")
    at = names.index(member)
    resolver = Resolver(Btf(local.data()), [Btf(target.data(), name="vmlinux")])
    (fixup,) = resolver.fixups(program((Insn(LOAD, off=8 * at),), (ref(2, f"0:{at}", kind),)))
    return fixup.new, fixup.poison, resolver.architectures


@pytest.mark.parametrize(
    ("member", "offset"),
    [
        ("di", 0),
        ("si", 8),
        ("dx", 16),
        ("cx", 24),
        ("r10", 24),
        ("ax", 0),
        ("bp", 29 * 8),
        ("ip", 32 * 8),
    ],
)
def test_registers_of_arm64(member: str, offset: int) -> None:
    assert resolved(member, arm64()) == (offset, False, {"arm64"})


def test_a_register_of_the_same_name_needs_no_table() -> None:
    assert resolved("sp", arm64()) == (31 * 8, False, set())


def test_questions_about_a_register() -> None:
    assert resolved("di", arm64(), CoreReloKind.FIELD_EXISTS)[0] == 1
    assert resolved("di", arm64(), CoreReloKind.FIELD_BYTE_SIZE)[0] == 8


def test_a_register_without_a_counterpart_is_missing() -> None:
    assert resolved("ss", arm64()) == (0, True, set())


def test_x86_64_itself_is_read_as_it_is() -> None:
    assert resolved("di", x86()) == (40, False, set())


def test_an_unknown_architecture_has_nothing() -> None:
    other = BtfWriter()
    other.struct("pt_regs", 8, [("gpr", other.integer("unsigned long", 8, 0), 0)])
    assert resolved("di", other) == (0, True, set())


@pytest.mark.parametrize(
    ("name", "members", "machine"),
    [
        ("user_pt_regs", ("regs", "sp", "pc", "pstate"), "aarch64"),
        ("pt_regs___arm64", ("orig_x0",), "aarch64"),
        ("pt_regs", ("si", "di"), "x86_64"),
        ("user_regs_struct", ("pc", "ra", "a0"), "riscv64"),
        ("task_struct", ("pstate",), ""),
        ("pt_regs", ("unknown",), ""),
    ],
)
def test_whose_registers_are_missing(name: str, members: tuple[str, ...], machine: str) -> None:
    btf = BtfWriter()
    long = btf.integer("unsigned long", 8, 0)
    root = btf.struct(
        name, 8 * len(members), [(member, long, 64 * at) for at, member in enumerate(members)]
    )
    kernel = BtfWriter()
    kernel.struct("unrelated", 8, [("member", kernel.integer("unsigned long", 8, 0), 0)])
    resolver = Resolver(Btf(btf.data()), [Btf(kernel.data(), name="vmlinux")])
    (fixup,) = resolver.fixups(
        program((Insn(LOAD),), (ref(root, "0:0", CoreReloKind.FIELD_BYTE_OFFSET),))
    )
    assert (fixup.poison, fixup.machine) == (True, machine)
