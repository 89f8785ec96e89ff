"""Objects with very many sections, instructions, maps, variables or programs, around the limits."""

from collections.abc import Callable, Sequence
from typing import Final

from beepy.obj.insn import CALL, SLOT, Insn, encode
from beepy.uapi import MapType
from tests.support.elf import FUNC, R_64_32, map_definition, number
from tests.support.objects import EXIT, NOP, SEC, Object

INT = 1


def names_outside_ascii() -> Object:
    one = Object()
    one.program()
    one.elf.symbol("\udcff" * 15_000_000)
    return one


def sections_of_maps() -> Object:
    """Each would be looked for among megabytes of strings that look alike."""
    one = Object()
    one.program()
    for at in range(12_000):
        one.elf.section(f".maps.{at}", flags=0)
    one.btf.strings += b".maps.\0" * 1_900_000
    return one


def sections_of_data() -> Object:
    one = Object()
    one.program()
    for at in range(4000):
        one.elf.bss(8, f".bss.{at}")
    one.btf.strings += b".bss.\0" * 2_000_000
    return one


def instructions() -> Object:
    one = Object()
    one.program()
    one.elf.section(SEC, encode((Insn(0xB7, 1, 2, 0x1234, 0x12345678),)) * 524_286)
    one.elf.symbols[-1] = ("prog", 0, 8 * 524_287, SEC, 0x12, 0)
    return one


def instructions_and_lines() -> Object:
    one = Object()
    one.program()
    one.elf.section(SEC, encode((Insn(0xB7, 1, 2, 0x1234, 0x12345678),)) * 261_999)
    one.elf.symbols[-1] = ("prog", 0, 8 * 262_000, SEC, 0x12, 0)
    one.records = (
        {},
        {SEC: [(8 * at, 300 + at, 300 + at, 1000 + at) for at in range(262_000)]},
        {},
    )
    return one


def branches() -> Object:
    """Programs in which loops are looked for."""
    one = Object()
    body = encode((Insn(0x15, 1, off=1),)) * 98_998 + encode((Insn(0x15, 1, off=-1), EXIT))
    for at in range(5):
        one.elf.section(f"tp/a/{at}", body, flags=6)
        one.elf.symbol(f"p{at}", f"tp/a/{at}", 0, len(body), type=FUNC)
    return one


def tags() -> Object:
    one = Object()
    one.program()
    one.btf.decl_tag("", 1)
    one.btf.types += [one.btf.types[-1]] * 262_000
    return one


def variables_of_a_large_struct(count: int = 16_000, members: int = 1000) -> Object:
    one = Object()
    one.program()
    record = one.btf.struct("s", 4 * members, [(f"m{at}", INT, 32 * at) for at in range(members)])
    placed = [
        (one.btf.var(f"v{at}", record, 0), 4 * members * at, 4 * members) for at in range(count)
    ]
    one.btf.datasec(".bss", 0, placed)
    one.elf.bss(4 * members * count)
    return one


def variables_of_typedefs() -> Object:
    """Each calls the struct by a name of its own."""
    one = Object()
    one.program()
    record = one.btf.struct("s", 4000, [(f"m{at}", INT, 32 * at) for at in range(1000)])
    names = [one.btf.typedef(f"t{at}", record) for at in range(8000)]
    placed = [(one.btf.var(f"v{at}", name, 0), 4000 * at, 4000) for at, name in enumerate(names)]
    one.btf.datasec(".bss", 0, placed)
    one.elf.bss(4000 * 8000)
    return one


def maps_of_a_large_struct() -> Object:
    return _with_maps(4000, 4000)


def maps_of_typedefs() -> Object:
    return _with_maps(4000, 4000, typedefs=True)


def maps_of_flags() -> Object:
    """An enum of 64 single bits in each of thousands of members."""
    one = Object()
    flags = one.btf.enum64("e", {f"E{at}": 1 << at for at in range(64)})
    record = one.btf.struct("s", 16_000, [(f"m{at}", flags, 64 * at) for at in range(2000)])
    return _maps(one, [record] * 1000)


def maps() -> Object:
    return _with_maps(4090, 1)


def operations() -> Object:
    """Every operation against every relocation."""
    one = Object()
    program = one.program(section="struct_ops/x")
    record = one.btf.struct("ops", 8, [("f", one.btf.ptr(INT), 0)])
    one.btf.datasec(
        ".struct_ops", 0, [(one.btf.var(f"o{at}", record, 0), 8 * at, 8) for at in range(8000)]
    )
    one.elf.section(".struct_ops", bytes(64_000))
    one.elf.relocations[".struct_ops"] = [(64_008 + at, program, 1) for at in range(250_000)]
    return one


def programs() -> Object:
    one = Object()
    for at in range(4096):
        one.program(name=f"p{at}")
    return one


def programs_of_externs() -> Object:
    one = Object()
    names = [f"k{at}" for at in range(2000)]
    prototype = one.btf.func_proto(INT)
    one.btf.datasec(".ksyms", 0, [(one.btf.func(name, prototype, 2), 0, 0) for name in names])
    symbols = [one.elf.symbol(name) for name in names]
    for at in range(2000):
        one.program(*[Insn(CALL, src=2, imm=-1)] * 40, EXIT, name=f"p{at}")
        one.elf.relocations.setdefault(SEC, []).extend(
            [(SLOT * (41 * at + call), symbols[(at + call) % 2000], R_64_32) for call in range(40)]
        )
    return one


def sections_of_externs() -> Object:
    """Each looks for an int that is not there."""
    one = Object()
    one.btf.types[:] = [one.btf.types[2]] * 100_000
    one.program()
    prototype = one.btf.func_proto(1)
    for at in range(8000):
        one.btf.datasec(".ksyms", 0, [(one.btf.func(f"k{at}", prototype, 2), 0, 0)])
    return one


def externs_of_one_prototype() -> Object:
    """Each names its parameters."""
    one = Object()
    one.program()
    prototype = one.btf.func_proto(INT, [("", INT)] * 100_000)
    for at in range(8000):
        one.btf.datasec(".ksyms", 0, [(one.btf.func(f"k{at}", prototype, 2), 0, 0)])
    return one


def deep_accesses() -> Object:
    """Access strings of 55 steps through arrays."""
    one = Object()
    inner = INT
    for at in range(3):
        for _ in range(10 if at else 30):
            inner = one.btf.array(inner, 1)
        inner = one.btf.struct(f"s{at}", 4, [("a", inner, 0)])
    one.program(*[NOP] * 999, EXIT)
    access = one.btf.string("0" + ":0" * 54)
    one.records = ({}, {}, {SEC: [(8 * (at % 1000), inner, access, 0) for at in range(9000)]})
    return one


def flavors() -> Object:
    """Very many types of one name to choose from, and relocations that ask for them."""
    one = Object()
    types = [one.btf.struct(f"task_struct___{at}", 4, [("pid", INT, 0)]) for at in range(1500)]
    one.program(*[NOP] * 999, EXIT)
    access = one.btf.string("0:0")
    one.records = (
        {},
        {},
        {SEC: [(8 * (at % 1000), types[at % 1500], access, at % 6) for at in range(25_000)]},
    )
    return one


def _with_maps(count: int, members: int, *, typedefs: bool = False) -> Object:
    one = Object()
    record = one.btf.struct("s", 4 * members, [(f"m{at}", INT, 32 * at) for at in range(members)])
    return _maps(
        one, [one.btf.typedef(f"t{at}", record) if typedefs else record for at in range(count)]
    )


def _maps(one: Object, records: Sequence[int]) -> Object:
    one.program()
    kind = number(one.btf, MapType.RINGBUF)
    names = [f"print_{at}" for at in range(len(records))]
    found = zip(names, records, strict=True)
    variables = [
        map_definition(one.btf, name, type=kind, value=one.btf.ptr(record))
        for name, record in found
    ]
    one.maps(*variables, names=names, size=16)
    return one


BOMBS: Final[tuple[Callable[[], Object], ...]] = (
    names_outside_ascii,
    sections_of_maps,
    sections_of_data,
    instructions,
    instructions_and_lines,
    branches,
    tags,
    variables_of_a_large_struct,
    variables_of_typedefs,
    maps_of_a_large_struct,
    maps_of_typedefs,
    maps_of_flags,
    maps,
    operations,
    programs,
    programs_of_externs,
    sections_of_externs,
    externs_of_one_prototype,
    deep_accesses,
    flavors,
)
