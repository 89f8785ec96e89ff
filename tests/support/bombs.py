"""Small objects that would cost much: nested types; records, names and values that share bytes."""

import struct
from collections.abc import Callable
from typing import Final

from beepy.btf.types import Kind
from beepy.obj.insn import SLOT
from beepy.uapi import CoreReloKind, MapType
from tests.support.elf import OBJECT, map_definition, number
from tests.support.objects import CALL_SUB, EXIT, NOP, SEC, Object

INT, U32 = 1, 2


def functions_and_records() -> Object:
    """Every function against every record of its section."""
    one = Object()
    for at in range(10_000):
        one.elf.function(f"f{at}", ".text", [EXIT])
    lines = [(at % 80_000, 0, 0, 0) for at in range(100_000)]
    one.records = ({}, {".text": lines}, {})
    return one


def maps_and_initial_values() -> Object:
    """Every map against every relocation of its section."""
    one = Object()
    kind = number(one.btf, MapType.ARRAY)
    variables = [map_definition(one.btf, f"m{at}", type=kind) for at in range(4000)]
    one.maps(*variables, names=[f"m{at}" for at in range(4000)], size=8)
    one.elf.relocations[".maps"] = [(32_000 - 8, 1, 1)] * 60_000
    return one


def one_map_many_times() -> Object:
    one = Object()
    variable = map_definition(one.btf, "m", type=number(one.btf, MapType.ARRAY))
    one.maps(*[variable] * 30_000, names=["m"], size=0)
    return one


def programs_that_share_a_subprogram() -> Object:
    """Each program holds a copy of it, with all its records."""
    one = Object()
    sub = one.elf.function("sub", ".text", [NOP] * 50_000)
    one.records = ({}, {".text": [(at * SLOT, 0, 0, at) for at in range(50_000)]}, {})
    for at in range(9):
        one.program(CALL_SUB, EXIT, name=f"p{at}")
        one.calls(sub, 2 * at)
    return one


def gigabytes_of_bss() -> Object:
    one = Object()
    size = (1 << 31) - 8
    one.elf.bss(size)
    one.elf.symbol("x", ".bss", 0, size, type=OBJECT)
    one.btf.datasec(".bss", 0, [(one.btf.var("x", one.btf.array(INT, size // 4)), 0, size)])
    return one


def variables_of_no_size() -> Object:
    one = Object()
    one.elf.section(".data", bytes(8))
    static = one.btf.var("x", one.btf.struct("s", 0, [("a", one.btf.array(INT, 0), 0)] * 15), 0)
    one.btf.datasec(".data", 0, [(static, 0, 0)] * 10_000)
    return one


def labels_that_are_spelt_alike() -> Object:
    one = Object()
    names = [
        f"{a}{b}{c}"
        for a in "!#$%&'()*+,-./:;"
        for b in "!#$%&'()*+,-./:;"
        for c in "!#$%&'()*+,-./"
    ]
    record = one.btf.struct("s", 8, [(name, INT, 0) for name in names])
    return _with_map(one, record, "counter_m")


def structs_in_structs() -> Object:
    """Each holds the one before twice, without a name."""
    one = Object()
    last = one.btf.struct("s", 8, [("a", INT, 0)])
    for _ in range(30):
        last = one.btf.union("", 8, [("", last, 0), ("", last, 0)])
    return _with_map(one, last)


def functions_of_functions() -> Object:
    one = Object()
    last = one.btf.func_proto(INT)
    for _ in range(16):
        last = one.btf.func_proto(last, [("a", last)] * 8)
    return _with_map(one, one.btf.struct("s", 8, [("f", one.btf.ptr(last), 0)]))


def arrays_of_nothing() -> Object:
    one = Object()
    last = one.btf.struct("s", 0)
    for _ in range(30):
        last = one.btf.array(last, (1 << 32) - 1)
    return _with_map(one, one.btf.struct("s", 8, [("a", last, 0)]))


def enumerators() -> Object:
    one = Object()
    enum = one.btf.enum("e", {f"E{at}": 1 << at % 31 for at in range(50_000)})
    return _with_map(one, one.btf.struct("s", 4, [("e", enum, 0)] * 16))


def types_that_match() -> Object:
    """Two DAGs whose every pair of types is compared."""
    one = Object()
    last = [INT, INT]
    for at in range(30):
        for flavor in range(2):
            members = [(f"m{n}", one.btf.const(last[n % 2]), 0) for n in range(8)]
            last[flavor] = one.btf.struct(f"s{at}___{flavor}x", 8, members)
    one.program()
    one.records = ({}, {}, {SEC: [(0, last[0], one.btf.string("0"), CoreReloKind.TYPE_MATCHES)]})
    return one


def strings_of_one_name() -> Object:
    one = _with_map(Object(), INT)
    one.btf.strings += b".maps\0" * 40_000
    return one


def access_strings() -> Object:
    one = Object()
    one.program()
    access = one.btf.string("0" + ":0" * 30_000)
    one.records = ({}, {}, {SEC: [(0, INT, access + at, 0) for at in range(30_000)]})
    return one


def access_strings_that_overlap() -> Object:
    """Each is the end of another one."""
    one = Object()
    one.program()
    starts = [one.btf.string("0" + ":0" * 500 + f":{at}") for at in range(64)]
    one.records = (
        {},
        {},
        {SEC: [(0, INT, starts[at % 64] + at // 64 % 1000, 0) for at in range(60_000)]},
    )
    return one


def relocations() -> Object:
    one = Object()
    one.program()
    one.records = ({}, {}, {SEC: [(0, INT, one.btf.string("0"), 0)] * 400_000})
    return one


def lines_of_one_instruction() -> Object:
    one = Object()
    one.program()
    one.records = ({}, {SEC: [(0, 300 + at, 300 + at, 1000 + at) for at in range(500_000)]}, {})
    return one


def enumerators_of_one_name() -> Object:
    one = Object()
    return _with_map(one, one.btf.struct("s", 4, [("e", _enum(one, "n" * 500, 1_000_000), 0)]))


def enums() -> Object:
    one = Object()
    return _with_map(
        one, one.btf.struct("s", 4, [("e", _enum(one, f"n{at}", 60_000), 0) for at in range(20)])
    )


def _enum(one: Object, name: str, count: int) -> int:
    """Add an enum whose enumerators have all ends of ``name`` as their names."""
    start = one.btf.string(name)
    words = [word for at in range(count) for word in (start + at % len(name), 1000 + at)]
    return one.btf.add(Kind.ENUM, f"enum_{name[:8]}", 4, words, vlen=count)


def names_of_symbols() -> Object:
    one = Object()
    one.program()
    one.elf.section("x" * 200_000)
    for at in range(5000):
        one.elf.symbol("x" * (200_000 - at))
    return one


def names_of_members() -> Object:
    one = Object()
    start = one.btf.string("n" * 100_000)
    record = one.btf.struct("s", 4, [("", INT, 0)] * 60_000)
    words = bytearray(one.btf.types[record - 1])
    for at in range(60_000):
        struct.pack_into("<I", words, 12 + 12 * at, start + at)
    one.btf.types[record - 1] = bytes(words)
    return _with_map(one, record)


def parameters_of_functions() -> Object:
    """A function of very many parameters, to which many variables point."""
    one = Object()
    one.program()
    record = one.btf.struct("s" * 500, 8)
    proto = one.btf.func_proto(INT, [("", record)] * 200_000)
    pointer = one.btf.ptr(proto)
    one.btf.datasec(".bss", 800, [(one.btf.var(f"v{at}", pointer), 8 * at, 8) for at in range(100)])
    one.elf.bss(800)
    for at in range(100):
        one.elf.symbol(f"v{at}", ".bss", 8 * at, 8, type=OBJECT)
    return one


def unions_in_unions() -> Object:
    """A record of one byte that is read as billions of values."""
    one = Object()
    inner = one.btf.integer("unsigned char", 1, 0)
    for _ in range(12):
        each = one.btf.array(inner, 1)
        inner = one.btf.union("u", 1, [(f"m{at}", each, 0) for at in range(100)])
    return _with_map(one, one.btf.struct("s", 1, [("it", one.btf.array(inner, 1), 0)]))


def _with_map(one: Object, record: int, name: str = "print_m") -> Object:
    one.program()
    kind = number(one.btf, MapType.HASH if name.startswith("counter") else MapType.RINGBUF)
    members = {
        "type": kind,
        "key": one.btf.ptr(record),
        "value": one.btf.ptr(U32 if "counter" in name else record),
    }
    one.maps(map_definition(one.btf, name, **members), names=(name,))
    return one


BOMBS: Final[tuple[Callable[[], Object], ...]] = (
    functions_and_records,
    maps_and_initial_values,
    one_map_many_times,
    programs_that_share_a_subprogram,
    gigabytes_of_bss,
    variables_of_no_size,
    labels_that_are_spelt_alike,
    structs_in_structs,
    functions_of_functions,
    arrays_of_nothing,
    enumerators,
    types_that_match,
    strings_of_one_name,
    access_strings,
    access_strings_that_overlap,
    relocations,
    lines_of_one_instruction,
    enumerators_of_one_name,
    enums,
    names_of_symbols,
    names_of_members,
    parameters_of_functions,
    unions_in_unions,
)
