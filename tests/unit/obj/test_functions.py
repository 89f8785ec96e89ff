import struct

import pytest

from beepy.btf.types import TypeId
from beepy.errors import BtfError, ElfError
from beepy.obj import insn as op
from beepy.obj.insn import Insn
from beepy.obj.spec import CoreRef, DataRef, ExternRef, FuncInfo, JumpTableRef, LineInfo, MapRef
from tests.support.elf import (
    FUNC,
    HIDDEN,
    LOCAL,
    NOTYPE,
    OBJECT,
    R_64_32,
    R_64_64,
    WEAK,
    map_definition,
    number,
)
from tests.support.objects import CALL_SUB, EXIT, LOAD, NOP, SEC, Object
from tests.support.refusal import refused

PROG = "object: function 'prog'"


@pytest.fixture
def one() -> Object:
    return Object()


def refs(one: Object) -> tuple[object, ...]:
    return one.parsed().programs[0].refs


def called(one: Object) -> list[int]:
    """Return where each call of the program, or address of a function in it, leads."""
    program = one.parsed().programs[0]
    at = [
        n
        for n, insn in enumerate(program.insns)
        if insn.call or (insn.wide and insn.src == op.PSEUDO_FUNC)
    ]
    return [n + 1 + program.insns[n].imm for n in at]


# calls


def test_call_of_a_global_subprogram(one: Object) -> None:
    sub = one.elf.function("other", ".text", [EXIT]), one.elf.function("sub", ".text", [NOP, EXIT])
    one.program(CALL_SUB, EXIT)
    one.calls(sub[1], 0)
    program = one.parsed().programs[0]
    assert program.insns == (CALL_SUB._replace(imm=1), EXIT, NOP, EXIT)
    assert program.functions == (("prog", 0), ("sub", 2))


def test_call_of_a_static_subprogram(one: Object) -> None:
    """It goes by the section's symbol, and counts the instructions from there."""
    one.elf.function("other", ".text", [EXIT])
    one.elf.function("sub", ".text", [NOP, EXIT], bind=LOCAL)
    one.program(CALL_SUB._replace(imm=0), EXIT)
    one.calls(one.local(".text"), 0)
    assert called(one) == [2]
    assert one.parsed().programs[0].functions == (("prog", 0), ("sub", 2))


def test_call_of_a_weak_subprogram(one: Object) -> None:
    sub = one.elf.function("sub", ".text", [EXIT], bind=WEAK)
    one.program(CALL_SUB, EXIT)
    one.calls(sub, 0)
    assert called(one) == [2]


def test_call_within_text_has_no_relocation(one: Object) -> None:
    sub = one.elf.function("sub", ".text", [CALL_SUB._replace(imm=1), EXIT])
    one.elf.function("leaf", ".text", [EXIT], bind=LOCAL)
    one.program(CALL_SUB, EXIT)
    one.calls(sub, 0)
    assert called(one) == [2, 4]


def test_call_within_text_with_a_relocation(one: Object) -> None:
    leaf = one.elf.function("leaf", ".text", [EXIT])
    sub = one.elf.function("sub", ".text", [CALL_SUB, EXIT])
    one.program(CALL_SUB, EXIT)
    one.calls(sub, 0)
    one.calls(leaf, 1, ".text")
    assert one.parsed().programs[0].functions == (("prog", 0), ("sub", 2), ("leaf", 4))
    assert called(one) == [2, 4]


def test_callback(one: Object) -> None:
    """A static function's address is that of its section, and an addend in bytes."""
    one.elf.function("other", ".text", [EXIT])
    one.elf.function("callback", ".text", [NOP, EXIT], bind=LOCAL)
    one.program(LOAD[0]._replace(imm=8), LOAD[1], EXIT)
    one.calls(one.local(".text"), 0, type=R_64_64)
    program = one.parsed().programs[0]
    assert program.insns[0] == Insn(op.LD_IMM64, src=op.PSEUDO_FUNC, imm=2)
    assert program.functions == (("prog", 0), ("callback", 3))


def test_helpers_are_no_calls(one: Object) -> None:
    one.program(Insn(op.CALL, imm=14), EXIT)
    assert one.parsed().programs[0].insns == (Insn(op.CALL, imm=14), EXIT)


# maps and data


def test_map(one: Object) -> None:
    first, second = (
        map_definition(one.btf, name, type=number(one.btf, 2)) for name in ("first", "second")
    )
    symbols = one.maps(first, second, names=("first", "second"))
    one.program(*LOAD, *LOAD, EXIT)
    one.calls(symbols[1], 0, type=R_64_64)
    one.calls(symbols[0], 2, type=R_64_64)
    assert refs(one) == (MapRef(0, "second"), MapRef(2, "first"))


@pytest.mark.parametrize("section", [".data", ".rodata", ".rodata.str1.1", ".bss"])
def test_data(one: Object, section: str) -> None:
    """A static variable by its section and an addend; a global one by its symbol."""
    if section == ".bss":
        one.elf.bss(64)
    else:
        one.elf.section(section, bytes(64))
    one.program(LOAD[0]._replace(imm=40), LOAD[1], LOAD[0]._replace(imm=4), LOAD[1], EXIT)
    one.calls(one.local(section), 0, type=R_64_64)
    one.calls(one.elf.symbol("x", section, 16, 8), 2, type=R_64_64)
    assert refs(one) == (DataRef(0, section, 40), DataRef(2, section, 20))


def jump_table(one: Object, *entries: int, size: int | None = None) -> int:
    """Add a jump table of these bytes of code; return its symbol."""
    at = len(one.elf.section(".jumptables", flags=0).data)
    one.elf.section(".jumptables", struct.pack(f"<{len(entries)}Q", *entries))
    return one.elf.symbol(
        f"BPF.JT.0.{at}", ".jumptables", at, 8 * len(entries) if size is None else size, type=OBJECT
    )


def test_jump_tables_count_from_the_beginning_of_the_function(one: Object) -> None:
    one.program(EXIT, EXIT, name="first")
    one.program(*LOAD, *LOAD, EXIT, name="second")
    one.calls(jump_table(one, 2 * 8, 6 * 8, 2 * 8), 2, type=R_64_64)
    one.calls(jump_table(one, 4 * 8), 4, type=R_64_64)
    _, second = one.parsed().programs
    assert second.refs == (JumpTableRef(0, (0, 4, 0)), JumpTableRef(2, (2,)))


def test_jump_tables_of_subprograms_move_along(one: Object) -> None:
    sub = one.elf.function("sub", ".text", (*LOAD, EXIT))
    one.elf.relocate(".text", 0, jump_table(one, 16), R_64_64)
    one.program(CALL_SUB, EXIT)
    one.calls(sub, 0)
    (program,) = one.parsed().programs
    assert program.refs == (JumpTableRef(2, (4,)),)


@pytest.mark.parametrize(
    ("entries", "size", "why"),
    [
        ((0, 4), None, "a jump table names byte 4, where no instruction of the function begins"),
        ((0, 24), None, "a jump table names byte 24, where"),
        ((0,), 0, "a jump table of 0 bytes at 0 of 8"),
        ((0,), 12, "a jump table of 12 bytes at 0 of 8"),
        ((0,), 16, "a jump table of 16 bytes at 0 of 8"),
    ],
)
def test_jump_tables_that_fit_nothing(
    one: Object, entries: tuple[int, ...], size: int | None, why: str
) -> None:
    one.program(*LOAD, EXIT)
    one.calls(jump_table(one, *entries, size=size), 0, type=R_64_64)
    with pytest.raises(
        ElfError, match=f"function 'prog': instruction 0: relocation against 'BPF.JT.0.0': {why}"
    ):
        one.parsed()


def test_extern_of_kconfig(one: Object) -> None:
    u64, u32 = (
        one.btf.var(name, of, 2) for name, of in (("CONFIG_A", 3), ("LINUX_KERNEL_VERSION", 2))
    )
    one.btf.datasec(".kconfig", 0, [(u32, 0, 4), (u64, 0, 8)])
    one.program(*LOAD, EXIT)
    one.elf.symbol("CONFIG_A")
    one.calls(one.elf.symbol("LINUX_KERNEL_VERSION"), 0, type=R_64_64)
    assert refs(one) == (DataRef(0, ".kconfig", 8),)


def test_extern_of_ksyms(one: Object) -> None:
    kfunc = one.btf.func("bpf_rcu_read_lock", one.btf.func_proto(0), 2)
    variable = one.btf.var("bpf_prog_active", 1, 2)
    one.btf.datasec(".ksyms", 0, [(kfunc, 0, 0), (variable, 0, 4)])
    one.program(Insn(op.CALL, src=op.PSEUDO_CALL, imm=-1), *LOAD, EXIT)
    one.calls(one.elf.symbol("bpf_rcu_read_lock"), 0)
    one.calls(one.elf.symbol("bpf_prog_active"), 1, type=R_64_64)
    assert refs(one) == (ExternRef(0, "bpf_rcu_read_lock"), ExternRef(1, "bpf_prog_active"))


def test_half_an_instruction_of_an_extern(one: Object) -> None:
    one.btf.datasec(".kconfig", 0, [(one.btf.var("CONFIG_A", 3, 2), 0, 8)])
    one.program(EXIT, LOAD[0])
    one.calls(one.elf.symbol("CONFIG_A"), 1, type=R_64_64)
    where = f"{PROG}: instruction 1: relocation against 'CONFIG_A'"
    with refused(ElfError, f"{where}: the second half of the instruction is missing"):
        one.parsed()


# functions


def test_programs_in_the_order_of_their_sections(one: Object) -> None:
    for name, section in (("a", SEC), ("b", "xdp"), ("c", SEC)):
        one.program(NOP, EXIT, name=name, section=section)
    assert [(program.name, program.section) for program in one.parsed().programs] == [
        ("a", SEC),
        ("c", SEC),
        ("b", "xdp"),
    ]


def test_a_hidden_global_program(one: Object) -> None:
    one.elf.function("prog", SEC, [EXIT], visibility=HIDDEN)
    assert one.parsed().programs[0].name == "prog"


def test_of_several_names_the_first_counts(one: Object) -> None:
    one.program()
    one.elf.symbol("alias", SEC, 0, 8, type=FUNC)
    assert [program.name for program in one.parsed().programs] == ["prog"]


def test_labels_are_no_functions(one: Object) -> None:
    one.program(NOP, EXIT)
    one.elf.symbol("LBB0_1", SEC, 8, 0, bind=LOCAL, type=NOTYPE)
    assert [program.name for program in one.parsed().programs] == ["prog"]


def test_records_come_to_their_functions(one: Object) -> None:
    """Offsets in .BTF.ext count bytes of a section; here, instructions of a function or program."""
    one.program(NOP, EXIT, name="first")
    one.program(CALL_SUB, NOP, EXIT, name="second")
    one.calls(one.elf.function("sub", ".text", [NOP, NOP, EXIT]), 2)
    access = one.btf.string("0:1")
    one.records = (
        {SEC: [(0, 11), (16, 12)], ".text": [(0, 13)]},
        {SEC: [(0, 1, 2, 3), (24, 4, 5, 6)], ".text": [(8, 7, 8, 9)]},
        {SEC: [(24, 1, access, 2)], ".text": [(16, 3, access, 0)]},
    )
    first, second = one.parsed().programs
    assert (first.func_infos, first.line_infos, first.core) == (
        (FuncInfo(0, TypeId(11)),),
        (LineInfo(0, 1, 2, 3),),
        (),
    )
    assert second.func_infos == (FuncInfo(0, 12), FuncInfo(3, 13))  # type: ignore[arg-type]
    assert second.line_infos == (LineInfo(1, 4, 5, 6), LineInfo(4, 7, 8, 9))
    assert second.core == (CoreRef(1, 1, "0:1", 2), CoreRef(5, 3, "0:1", 0))  # type: ignore[arg-type]


# what is refused


@pytest.mark.parametrize(
    ("value", "size", "message"),
    [
        (4, 8, "8 bytes at 4: not whole instructions"),
        (0, 12, "12 bytes at 0: not whole instructions"),
        (0, 0, "0 bytes at 0: not whole instructions"),
        (0, 24, f"overlaps another one, or exceeds section {SEC}"),
        (1 << 63, 16, f"overlaps another one, or exceeds section {SEC}"),
    ],
)
def test_functions_that_are_not_in_their_section(
    one: Object, value: int, size: int, message: str
) -> None:
    one.elf.section(SEC, op.encode((NOP, EXIT)), flags=6)
    one.elf.symbol("prog", SEC, value, size, type=FUNC)
    with refused(ElfError, f"{PROG}: {message}"):
        one.parsed()


def test_functions_that_overlap(one: Object) -> None:
    one.program(NOP, EXIT, name="first")
    one.elf.symbol("prog", SEC, 8, 8, type=FUNC)
    with refused(ElfError, f"{PROG}: overlaps another one, or exceeds section {SEC}"):
        one.parsed()


def test_a_static_program(one: Object) -> None:
    """As in bpfman's examples; libbpf refuses it."""
    one.elf.function("first", SEC, [NOP, EXIT], bind=LOCAL)
    one.elf.function("second", SEC, [EXIT])
    programs = one.parsed().programs
    assert [(program.name, len(program.insns)) for program in programs] == [
        ("first", 2),
        ("second", 1),
    ]


def test_a_call_of_a_static_program(one: Object) -> None:
    """It has no relocation; a subprogram must be in .text."""
    one.program(CALL_SUB._replace(imm=1), EXIT)
    one.elf.function("helper", SEC, [EXIT], bind=LOCAL)
    message = "instruction 0: a call to something else than a function in .text"
    with refused(ElfError, f"{PROG}: {message}"):
        one.parsed()


def test_relocation_within_an_instruction(one: Object) -> None:
    one.program(NOP, EXIT)
    one.elf.relocate(SEC, 12, 1)
    with refused(ElfError, f"{PROG}: instruction 1: relocation at byte 12: misaligned"):
        one.parsed()


def test_two_relocations_of_one_instruction(one: Object) -> None:
    sub = one.elf.function("sub", ".text", [EXIT])
    one.program(CALL_SUB, EXIT)
    one.calls(sub, 0)
    one.calls(sub, 0)
    with refused(ElfError, f"{PROG}: instruction 0: relocation at byte 0: a second one"):
        one.parsed()


FOREIGN = "undefined, and not an extern of .kconfig or .ksyms"


@pytest.mark.parametrize(
    ("insns", "at", "patch", "message"),
    [
        ((CALL_SUB, EXIT), 0, ("extern", R_64_32), FOREIGN),
        (
            (CALL_SUB, EXIT),
            0,
            ("data", R_64_32),
            "a call to something else than a function in .text",
        ),
        (
            (CALL_SUB, EXIT),
            0,
            ("in_sub", R_64_32),
            "a call to something else than a function in .text",
        ),
        ((CALL_SUB, EXIT), 0, ("sub", R_64_64), "type 1 does not fit code 0x85"),
        ((*LOAD, EXIT), 0, ("sub", R_64_32), "type 10 does not fit code 0x18"),
        ((NOP, EXIT), 1, ("data", R_64_64), "type 1 does not fit code 0x95"),
        ((EXIT, LOAD[0]), 1, ("data", R_64_64), "the second half of the instruction is missing"),
        ((*LOAD, EXIT), 0, ("in_sub", R_64_64), "address 4: does not point to a function"),
        (
            (LOAD[0]._replace(imm=-8), LOAD[1]),
            0,
            ("sub", R_64_64),
            "address -8: does not point to a function",
        ),
        ((*LOAD, EXIT), 0, ("license", R_64_64), "neither a map nor data"),
    ],
)
def test_relocations_that_fit_nothing(
    one: Object, insns: tuple[Insn, ...], at: int, patch: tuple[str, int], message: str
) -> None:
    one.elf.section("license", b"GPL\0")
    one.elf.section(".data", bytes(8))
    one.program(*insns)
    symbols = {
        "extern": one.elf.symbol("extern"),
        "data": one.elf.symbol("data", ".data"),
        "license": one.elf.symbol("license", "license"),
        "sub": one.elf.function("sub", ".text", [EXIT]),
        "in_sub": one.elf.symbol("in_sub", ".text", 4),
    }
    symbol, kind = patch
    one.calls(symbols[symbol], at, type=kind)
    with refused(ElfError, f"{PROG}: instruction {at}: relocation against '{symbol}': {message}"):
        one.parsed()


def test_calls_to_no_function(one: Object) -> None:
    sub = one.elf.function("sub", ".text", [CALL_SUB._replace(imm=7), EXIT])
    one.program(CALL_SUB, EXIT)
    one.calls(sub, 0)
    with refused(ElfError, "program 'prog': instruction 0: no function begins at .text + 64"):
        one.parsed()


def test_a_very_long_access_string(one: Object) -> None:
    """Thousands of records could share it."""
    one.program()
    one.records = ({}, {}, {SEC: [(0, 1, one.btf.string("0" + ":0" * 512), 0)]})
    offset = one.btf.string("0" + ":0" * 512)
    with refused(BtfError, f"object: string offset {offset}: longer than 1024 bytes"):
        one.parsed()
