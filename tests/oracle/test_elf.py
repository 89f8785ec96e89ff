"""What we read from every object, held against LLVM's tools and against what libbpf tells while it opens it."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping

import pytest

from beepy.core.access import KIND_NAMES
from beepy.obj import elf
from beepy.obj.insn import CALL, LD_IMM64, PSEUDO_CALL, PSEUDO_FUNC, SLOT, Insn, decode
from beepy.obj.spec import DataRef, MapRef, MapSpec, ProgramSpec
from beepy.uapi import MapFlag, MapType
from tests.oracle import embedded, llvm, objects, opened
from tests.oracle.comparison import Compared
from tests.oracle.objects import Object
from tests.oracle.opened import Opened

# libbpf's word for a map's property -> ours
PROPERTIES = {
    "type": "type",
    "key_size": "key_size",
    "value_size": "value_size",
    "max_entries": "max_entries",
    "map_flags": "flags",
    "numa_node": "numa_node",
    "map_extra": "map_extra",
    "pinning": "pinning",
}


def need(tool: str) -> None:
    if lacking := llvm.missing(tool):
        pytest.skip(f"not installed: {lacking}")


def read(one: Object) -> elf.Elf:
    return elf.read(one.path.read_bytes(), str(one))


def test_sections(family: str, families: Mapping[str, list[Object]]) -> None:
    need("llvm-readelf")
    for one in families[family]:
        assert [(found.name, found.size) for found in read(one).sections[1:]] == llvm.sections(one.path), one


def test_symbols(family: str, families: Mapping[str, list[Object]]) -> None:
    need("llvm-readelf")
    special = {0: "UND", -1: "ABS"}
    for one in families[family]:
        file = read(one)
        mine = [
            llvm.Symbol(
                symbol.value,
                symbol.size,
                symbol.type.removeprefix("STT_"),
                symbol.bind.removeprefix("STB_"),
                symbol.visibility.removeprefix("STV_"),
                special.get(symbol.section, str(symbol.section)),
                file.sections[symbol.section].name if symbol.type == "STT_SECTION" else symbol.name,
            )
            for symbol in file.symbols[1:]
        ]
        assert mine == llvm.symbols(one.path), one


def test_code(family: str, compared: Mapping[str, list[Compared]]) -> None:
    """Every function's instructions, but for the distance of a call, which linking sets."""
    need("llvm-objdump")
    for one in compared[family]:
        code = {name: decode(content) for name, content in llvm.code(one.object.path).items()}
        places = {name: (section, at, size) for section, name, at, size in functions(one)}
        for program in one.spec.programs:
            for function, start in program.functions:
                section, at, size = places[function]
                mine = program.insns[start : start + size]
                written = code[section][at : at + size]
                expected = [as_linked(*pair) for pair in zip(mine, written, strict=True)]
                assert mine == tuple(expected), (one.object, function)


def as_linked(linked: Insn, written: Insn) -> Insn:
    """Return ``written`` with what linking changes: the distance of a call, the address of a callback."""
    if (linked.code, linked.src) in ((CALL, PSEUDO_CALL), (LD_IMM64, PSEUDO_FUNC)):
        return written._replace(src=linked.src, imm=linked.imm)
    return written


def test_core_records(family: str, compared: Mapping[str, list[Compared]]) -> None:
    if not (tool := llvm.core_objdump()):
        pytest.skip("not installed: llvm-objdump of LLVM 17 or newer")
    met = 0
    for one in compared[family]:
        places = {name: (section, at) for section, name, at, _ in functions(one)}
        theirs = llvm.core(one.object.path, tool)
        for program in one.spec.programs:
            for ref in program.core:
                function, insn = within(program, ref.insn)
                section, start = places[function]
                record = theirs[section, (start + insn) * SLOT]
                assert record._replace(access=record.access or ref.access) == (
                    KIND_NAMES[ref.kind],
                    ref.type,
                    ref.access,
                ), (one.object, function, ref)
                met += 1
    assert met


def functions(one: Compared) -> Iterator[tuple[str, str, int, int]]:
    """Yield (section, name, offset, instructions) of every function, from LLVM's symbols."""
    names = [name for name, _ in llvm.sections(one.object.path)]
    for symbol in llvm.symbols(one.object.path):
        if symbol.type == "FUNC" and symbol.section != "UND":
            yield names[int(symbol.section) - 1], symbol.name, symbol.value // SLOT, symbol.size // SLOT


def within(program: ProgramSpec, insn: int) -> tuple[str, int]:
    """Return the function that a program's instruction came from, and its index there."""
    name, start = program.functions[bisect_right([at for _, at in program.functions], insn) - 1]
    return name, insn - start


def test_programs(family: str, compared: Mapping[str, list[Compared]]) -> None:
    """The entry programs, their licenses, and what is appended to each in which order."""
    for one in compared[family]:
        theirs = opened.read(one.verdict.log)
        entries = {(section, name, size) for section, name, _, size in theirs.functions if section != ".text"}
        sizes = {name: size for _, name, _, size in theirs.functions}
        assert {(one.section, one.name, sizes[one.name]) for one in one.spec.programs} == entries, one.object
        assert one.spec.license == theirs.license, one.object
        for program in one.spec.programs:
            ends = [at for _, at in program.functions[1:]] + [len(program.insns)]
            mine = [(name, end - at) for (name, at), end in zip(program.functions, ends, strict=True)]
            assert mine[0] == (program.name, sizes[program.name]), (one.object, program.name)
            if one.verdict.loaded and not program.section.startswith("?"):
                assert mine[1:] == theirs.added.get(program.name, []), (one.object, program.name)


def held(found: MapSpec) -> bool:
    """Tell whether a map is a section of data; an arena may hold one besides."""
    return found.contents is not None and found.type != MapType.ARENA


def test_maps(family: str, compared: Mapping[str, list[Compared]]) -> None:
    for one in compared[family]:
        theirs = opened.read(one.verdict.log)
        maps = {found.name: found for found in one.spec.maps if not held(found) and found.name != ".kconfig"}
        inner = {f"{name}.inner": found.inner for name, found in maps.items() if found.inner}
        assert maps.keys() | inner.keys() == theirs.maps.keys(), one.object
        for name, properties in theirs.maps.items():
            mine = maps.get(name) or inner[name]
            assert {word: getattr(mine, ours) for word, ours in PROPERTIES.items() if word in properties} == {
                word: number for word, number in properties.items() if word in PROPERTIES
            }, (one.object, name)
        assert {(found.name, *slot) for found in maps.values() for slot in found.slots} == theirs.slots, one.object
        check_data(one, theirs)


def check_data(one: Compared, theirs: Opened) -> None:
    mine: dict[str, MapSpec] = {found.name: found for found in one.spec.maps if held(found)}
    kconfig = {found.name for found in one.spec.maps if found.name == ".kconfig"}
    assert mine.keys() | kconfig == theirs.data.keys(), one.object
    for name, found in mine.items():
        assert found.flags & MapFlag.RDONLY_PROG == theirs.data[name] & MapFlag.RDONLY_PROG, (one.object, name)


def test_references(family: str, compared: Mapping[str, list[Compared]]) -> None:
    """Every instruction that takes a map, a variable or an extern, and which."""
    for one in compared[family]:
        if one.object.name == "arena" and not one.verdict.loaded:
            continue  # libbpf knows variables in arenas from 1.4 on
        theirs = opened.read(one.verdict.log).refs
        values = {symbol.name: symbol.value for symbol in llvm.symbols(one.object.path) if symbol.type != "SECTION"}
        met = set()
        for program in one.spec.programs:
            for ref in program.refs:
                at = within(program, ref.insn)
                what, name, symbol = theirs[at]
                met.add(at)
                about = (one.object, program.name, ref)
                match ref:
                    case MapRef():
                        assert (what, name) == ("map", ref.map), about
                    case DataRef(map=".kconfig"):
                        offsets = {found.name: found.offset for found in one.spec.variables if found.map == ".kconfig"}
                        assert (what, offsets[symbol]) == ("extern", ref.offset), about
                    case DataRef():
                        assert (what, name) == ("data map", ref.map), about
                        assert ref.offset == values.get(symbol, 0) + program.insns[ref.insn].imm, about
                    case _:
                        pytest.fail(f"{about}: unexpected")
        reached = {name for program in one.spec.programs for name, _ in program.functions}
        assert met == {at for at in theirs if at[0] in reached}, one.object


def test_enough(families: Mapping[str, list[Object]]) -> None:
    if lacking := objects.missing(objects.DEBIAN):
        pytest.skip(lacking)
    assert len(families[objects.DEBIAN]) >= embedded.LEAST
