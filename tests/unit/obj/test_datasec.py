import pytest

from beepy.btf import types
from beepy.btf.types import Kind, Linkage, TypeId
from beepy.errors import BtfError, ElfError
from beepy.obj.sections import is_constant, is_data
from beepy.obj.spec import CollectionSpec, ExternSpec, MapSpec, VariableSpec
from beepy.uapi import MapFlag, MapType
from tests.support.elf import DEFAULT, HIDDEN, INTERNAL, LOCAL, OBJECT, WEAK
from tests.support.objects import EXIT, Object
from tests.support.refusal import refused

INT, U32, U64 = 1, 2, 3


@pytest.fixture
def one() -> Object:
    made = Object()
    made.program()
    return made


def variable(
    one: Object, name: str, section: str, offset: int, size: int = 4, *, static: bool = False
) -> int:
    """Add a variable and its symbol."""
    one.elf.symbol(name, section, offset, size, type=OBJECT, bind=LOCAL if static else WEAK)
    return one.btf.var(name, {4: INT, 8: U64}[size], Linkage.STATIC if static else Linkage.GLOBAL)


def section(spec: CollectionSpec, name: str) -> types.DataSec:
    assert spec.btf
    found = spec.btf.find(name, Kind.DATASEC)
    assert found
    datasec = spec.btf.type(found)
    assert isinstance(datasec, types.DataSec)
    return datasec


@pytest.mark.parametrize(
    ("name", "data", "constant"),
    [
        (".data", True, False),
        (".data.x", True, False),
        (".rodata", True, True),
        (".rodata.str1.1", True, True),
        (".bss", True, False),
        (".bss.x", True, False),
        (".database", False, False),
        (".kconfig", False, True),
        (".maps", False, False),
        ("license", False, False),
    ],
)
def test_sections_of_data(name: str, *, data: bool, constant: bool) -> None:
    assert (is_data(name), is_constant(name)) == (data, constant)


def test_clang_leaves_sizes_and_offsets_to_the_linker(one: Object) -> None:
    """A DATASEC has size 0 and its variables offset 0; only static ones have their offset."""
    one.elf.section(".data", bytes(range(24)))
    b, a = variable(one, "b", ".data", 16, 8), variable(one, "a", ".data", 0)
    s = variable(one, "s", ".data", 8, static=True)
    one.btf.datasec(".data", 0, [(b, 0, 8), (a, 0, 4), (s, 8, 4)])
    spec = one.parsed()
    assert section(spec, ".data") == types.DataSec(
        ".data",
        24,
        tuple(
            types.VarSecInfo(TypeId(of), at, size)
            for of, at, size in ((a, 0, 4), (s, 8, 4), (b, 16, 8))
        ),
    )
    assert spec.variables == (
        VariableSpec("a", ".data", TypeId(INT), 0, 4, False),
        VariableSpec("s", ".data", TypeId(INT), 8, 4, False),
        VariableSpec("b", ".data", TypeId(U64), 16, 8, False),
    )


def test_maps_of_data(one: Object) -> None:
    one.elf.section(".rodata", b"12345678")
    one.elf.section(".rodata.str1.1", b"text\0")
    one.elf.section(".data.empty", b"")
    one.elf.bss(16)
    of = one.btf.datasec(".rodata", 0, [(variable(one, "x", ".rodata", 4), 0, 4)])
    spec = one.parsed()
    assert [found._replace(flags=found.flags & MapFlag.RDONLY_PROG) for found in spec.maps] == [
        MapSpec(
            ".rodata",
            ".rodata",
            MapType.ARRAY,
            4,
            8,
            1,
            MapFlag.RDONLY_PROG,
            value=of,
            contents=b"12345678",
        ),
        MapSpec(
            ".rodata.str1.1",
            ".rodata.str1.1",
            MapType.ARRAY,
            4,
            5,
            1,
            MapFlag.RDONLY_PROG,
            contents=b"text\0",
        ),
        MapSpec(".bss", ".bss", MapType.ARRAY, 4, 16, 1, contents=b""),
    ]
    assert spec.variables == (VariableSpec("x", ".rodata", TypeId(INT), 4, 4, True),)


def test_only_what_is_not_static_makes_data_mappable(one: Object) -> None:
    """4fcac46c7e10, "libbpf: only add BPF_F_MMAPABLE flag for data maps with global vars"."""
    one.elf.section(".data", bytes(8))
    one.elf.bss(8)
    one.btf.datasec(".data", 0, [(variable(one, "s", ".data", 0, static=True), 0, 4)])
    one.btf.datasec(
        ".bss",
        0,
        [(variable(one, "t", ".bss", 0, static=True), 0, 4), (variable(one, "g", ".bss", 4), 4, 4)],
    )
    assert {found.name: found.flags for found in one.parsed().maps} == {
        ".data": 0,
        ".bss": MapFlag.MMAPABLE,
    }


def test_hidden_variables_become_static(one: Object) -> None:
    """libbpf's btf_fixup_datasec: hidden variables (``private(A)`` of a lock) are not mapped."""
    ids = {}
    for section_name, visibility in (
        (".data.A", HIDDEN),
        (".data.B", INTERNAL),
        (".data.C", DEFAULT),
    ):
        one.elf.section(section_name, bytes(4))
        one.elf.symbol(section_name[-1], section_name, 0, 4, type=OBJECT, visibility=visibility)
        ids[section_name] = one.btf.var(section_name[-1], INT, Linkage.GLOBAL)
        one.btf.datasec(section_name, 0, [(ids[section_name], 0, 4)])
    spec = one.parsed()
    assert {found.name: found.flags for found in spec.maps} == {
        ".data.A": 0,
        ".data.B": 0,
        ".data.C": MapFlag.MMAPABLE,
    }
    assert spec.btf
    assert [spec.btf.type(of) for of in ids.values()] == [
        types.Var("A", TypeId(INT), Linkage.STATIC),
        types.Var("B", TypeId(INT), Linkage.STATIC),
        types.Var("C", TypeId(INT), Linkage.GLOBAL),
    ]


def test_data_without_types(one: Object) -> None:
    one.elf.section(".data", bytes(8))
    spec = one.parsed()
    assert [found.name for found in spec.maps] == [".data"]
    assert spec.variables == ()


def test_hidden_functions_become_static(one: Object) -> None:
    """The verifier checks global functions alone; libbpf makes hidden subprograms static."""
    proto = one.btf.func_proto(INT)
    ids = [
        one.btf.func(name, proto, Linkage.GLOBAL) for name in ("shown", "hidden", "prog", "entry")
    ]
    one.elf.function("shown", ".text", [EXIT], visibility=DEFAULT)
    one.elf.function("hidden", ".text", [EXIT], visibility=HIDDEN)
    one.elf.function("entry", "tracepoint/c/d", [EXIT], visibility=HIDDEN)
    btf = one.parsed().btf
    assert btf
    functions = [btf.type(of) for of in ids]
    assert functions == [
        types.Func("shown", proto, Linkage.GLOBAL),
        types.Func("hidden", proto, Linkage.STATIC),
        types.Func("prog", proto, Linkage.GLOBAL),
        types.Func("entry", proto, Linkage.GLOBAL),
    ]


def test_kconfig_is_laid_out_as_libbpf_does(one: Object) -> None:
    """By falling alignment, rising size, name."""
    text = one.btf.array(one.btf.integer("char", 1), 5)
    wanted = {
        "LINUX_KERNEL_VERSION": U32,
        "CONFIG_TEXT": text,
        "CONFIG_HZ": INT,
        "CONFIG_WIDE": U64,
    }
    ids = {name: one.btf.var(name, of, Linkage.EXTERN) for name, of in wanted.items()}
    of = one.btf.datasec(".kconfig", 0, [(found, 0, 0) for found in ids.values()])
    one.elf.symbol("CONFIG_TEXT", bind=WEAK)
    for name in ("LINUX_KERNEL_VERSION", "CONFIG_HZ", "CONFIG_WIDE"):
        one.elf.symbol(name)
    spec = one.parsed()
    assert [(found.name, found.offset, found.size, found.const) for found in spec.variables] == [
        ("CONFIG_WIDE", 0, 8, True),
        ("CONFIG_HZ", 8, 4, True),
        ("LINUX_KERNEL_VERSION", 12, 4, True),
        ("CONFIG_TEXT", 16, 5, True),
    ]
    (area,) = spec.maps
    assert area._replace(flags=0) == MapSpec(
        ".kconfig", ".kconfig", MapType.ARRAY, 4, 21, 1, value=of, contents=b""
    )
    assert area.flags & MapFlag.RDONLY_PROG
    assert spec.externs == tuple(
        ExternSpec(name, ".kconfig", TypeId(of), name == "CONFIG_TEXT", False)
        for name, of in wanted.items()
    )
    assert spec.btf
    assert section(spec, ".kconfig").size == 21
    assert spec.btf.type(ids["CONFIG_HZ"]) == types.Var("CONFIG_HZ", TypeId(INT), Linkage.GLOBAL)


def test_symbols_of_the_kernel(one: Object) -> None:
    function = one.btf.func("bpf_task_release", one.btf.func_proto(0), Linkage.EXTERN)
    value = one.btf.var("bpf_prog_active", INT, Linkage.EXTERN)
    one.btf.datasec(".ksyms", 0, [(function, 0, 0), (value, 0, 4)])
    one.elf.symbol("bpf_task_release", bind=WEAK)
    one.elf.symbol("bpf_prog_active")
    spec = one.parsed()
    assert spec.externs == (
        ExternSpec("bpf_task_release", ".ksyms", function, True, True),
        ExternSpec("bpf_prog_active", ".ksyms", TypeId(INT), False, False),
    )
    assert (spec.variables, spec.maps) == ((), ())


# what is refused


def test_a_variable_without_symbol(one: Object) -> None:
    one.elf.section(".data", bytes(8))
    one.btf.datasec(".data", 0, [(one.btf.var("x", INT, Linkage.GLOBAL), 0, 4)])
    with refused(BtfError, "object: section .data: 'x' has no symbol"):
        one.parsed()


def test_a_variable_beyond_its_section(one: Object) -> None:
    one.elf.section(".data", bytes(8))
    one.btf.datasec(".data", 0, [(variable(one, "x", ".data", 6), 0, 4)])
    with refused(BtfError, "object: section .data: 'x': 4 bytes at 6 exceed the section's 8"):
        one.parsed()


def test_variables_that_overlap(one: Object) -> None:
    one.elf.section(".data", bytes(8))
    one.btf.datasec(
        ".data",
        0,
        [(variable(one, "a", ".data", 0, 8), 0, 8), (variable(one, "b", ".data", 4), 0, 4)],
    )
    with refused(BtfError, "object: section .data: 'b' overlaps another variable"):
        one.parsed()


def test_what_is_no_variable(one: Object) -> None:
    one.elf.section(".data", bytes(8))
    one.btf.datasec(".data", 0, [(INT, 0, 4)])
    with refused(BtfError, "object: section .data: type 1 is not a variable"):
        one.parsed()


def test_what_is_no_extern(one: Object) -> None:
    function = one.btf.func("f", one.btf.func_proto(0), Linkage.EXTERN)
    one.btf.datasec(".kconfig", 0, [(function, 0, 0)])
    with refused(BtfError, f"object: section .kconfig: type {function} is not an extern"):
        one.parsed()


def test_an_extern_without_size(one: Object) -> None:
    one.btf.datasec(
        ".kconfig", 0, [(one.btf.var("CONFIG_X", one.btf.array(INT, 0), Linkage.EXTERN), 0, 0)]
    )
    with refused(ElfError, "object: extern 'CONFIG_X': its type has no size"):
        one.parsed()


def test_gigabytes_of_nothing(one: Object) -> None:
    one.elf.bss(1 << 31)
    with refused(
        ElfError, f"object: section .bss: {1 << 31} bytes, at most {(1 << 31) - 1} are taken"
    ):
        one.parsed()


def test_too_many_variables() -> None:
    one = Object()
    one.program()
    one.elf.section(".data", bytes(8))
    one.btf.datasec(".data", 8, [(one.btf.var("x", 1, 0), 0, 0)] * 20_000)
    with refused(BtfError, "object: section .data: more than 16384 variables"):
        one.parsed()


def test_externs_that_share_a_prototype() -> None:
    """Each names the parameters of its prototype, which are looked at once."""
    one = Object()
    one.program()
    prototype = one.btf.func_proto(1, [("", 1)] * 1000)
    for number in range(100):
        one.btf.datasec(".ksyms", 0, [(one.btf.func(f"k{number}", prototype, 2), 0, 0)])
    spec = one.parsed()
    assert len(spec.externs) == 100
    assert spec.btf
    found = spec.btf.type(TypeId(prototype))
    assert isinstance(found, types.FuncProto)
    assert {param.name for param in found.params} == {"k0"}
