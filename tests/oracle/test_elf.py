"""Compare what beepy reads from every object with LLVM's tools and with libbpf's log."""

from bisect import bisect_right
from pathlib import Path

import pytest

from beepy.core.access import KIND_NAMES
from beepy.obj import elf
from beepy.obj.insn import CALL, LD_IMM64, PSEUDO_CALL, PSEUDO_FUNC, SLOT, Insn, decode
from beepy.obj.spec import CollectionSpec, DataRef, ExternRef, MapRef, MapSpec, ProgramSpec
from beepy.uapi import MapFlag, MapType
from tests.oracle import embedded, llvm, objects, opened
from tests.oracle.comparison import Compared, Families
from tests.oracle.objects import Object
from tests.oracle.opened import Opened

LEAST = {objects.DEBIAN: embedded.LEAST, "trixie": 150, "sid": 120}
LEAST_OF_OURS = 60  # by each clang

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


def paths(found: list[Object]) -> list[Path]:
    return [one.path for one in found]


def parsed(family: str, compared: Families) -> list[tuple[Compared, CollectionSpec]]:
    """Return the objects of a family that we accept; test_load compares the others with libbpf."""
    return [(one, one.spec) for one in compared[family] if one.spec]


def test_sections(family: str, families: Families) -> None:
    need("llvm-readelf")
    theirs = llvm.sections(paths(families.objects(family)))
    for one in families.objects(family):
        assert [(found.name, found.size) for found in read(one).sections[1:]] == theirs[one.path], (
            one
        )


def test_symbols(family: str, families: Families) -> None:
    need("llvm-readelf")
    special = {0: "UND", -1: "ABS"}
    theirs = llvm.symbols(paths(families.objects(family)))
    for one in families.objects(family):
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
        assert mine == theirs[one.path], one


def test_code(family: str, compared: Families) -> None:
    """Every function's instructions, but for the distance of a call, which linking sets."""
    need("llvm-objdump")
    objects_ = parsed(family, compared)
    theirs = llvm.code([one.object.path for one, _ in objects_])
    places = functions([one.object for one, _ in objects_])
    for one, spec in objects_:
        code = {name: decode(content) for name, content in theirs[one.object.path].items()}
        for program in spec.programs:
            for function, start in program.functions:
                candidates = [
                    (program.insns[start : start + size], code[section][at : at + size])
                    for section, at, size in places[one.object][function]
                ]
                assert any(
                    mine == tuple([as_linked(*pair) for pair in zip(mine, written, strict=True)])
                    for mine, written in candidates
                ), (one.object, function)


def as_linked(linked: Insn, written: Insn) -> Insn:
    """Return ``written`` with the linker's changes: a call's distance, a callback's address."""
    if (linked.code, linked.src) in ((CALL, PSEUDO_CALL), (LD_IMM64, PSEUDO_FUNC)):
        return written._replace(src=linked.src, imm=linked.imm)
    return written


def test_core_records(family: str, compared: Families) -> None:
    if not (tool := llvm.core_objdump()):
        pytest.skip("not installed: llvm-objdump of LLVM 17 or newer")
    objects_ = parsed(family, compared)
    theirs = llvm.core([one.object.path for one, _ in objects_], tool)
    places = functions([one.object for one, _ in objects_])
    met = 0
    for one, spec in objects_:
        for program in spec.programs:
            for ref in program.core:
                function, insn = within(program, ref.insn)
                known = theirs[one.object.path]
                records = [
                    known.get((at, (start + insn) * SLOT))
                    for at, start, _ in places[one.object][function]
                ]
                assert (KIND_NAMES[ref.kind], ref.type, ref.access) in [
                    record._replace(access=record.access or ref.access)
                    for record in records
                    if record
                ], (one.object, function, ref)
                met += 1
    assert met


def functions(found: list[Object]) -> dict[Object, dict[str, list[tuple[str, int, int]]]]:
    """Return (section, offset, instructions) of every object's functions, by name, from LLVM.

    Several have one name where the linker joined static functions of several sources.
    """
    sections, symbols = llvm.sections(paths(found)), llvm.symbols(paths(found))
    places: dict[Object, dict[str, list[tuple[str, int, int]]]] = {one: {} for one in found}
    for one, named in places.items():
        for symbol in symbols[one.path]:
            if symbol.type == "FUNC" and symbol.section != "UND":
                section, _ = sections[one.path][int(symbol.section) - 1]
                named.setdefault(symbol.name, []).append(
                    (section, symbol.value // SLOT, symbol.size // SLOT)
                )
    return places


def within(program: ProgramSpec, insn: int) -> tuple[str, int]:
    """Return the function that a program's instruction came from, and its index there."""
    name, start = program.functions[bisect_right([at for _, at in program.functions], insn) - 1]
    return name, insn - start


def test_programs(family: str, compared: Families) -> None:
    """The entry programs, their licenses, and what is appended to each in which order."""
    for one, spec in parsed(family, compared):
        if not one.verdict.opened:
            continue
        theirs = opened.read(one.verdict.log)
        entries = {
            (section, name, size)
            for section, name, _, size in theirs.functions
            if section != ".text"
        }
        sizes = {name: size for _, name, _, size in theirs.functions}
        assert {(one.section, one.name, sizes[one.name]) for one in spec.programs} == entries, (
            one.object
        )
        assert spec.license == theirs.license, one.object
        for program in spec.programs:
            ends = [at for _, at in program.functions[1:]] + [len(program.insns)]
            mine = [
                (name, end - at) for (name, at), end in zip(program.functions, ends, strict=True)
            ]
            assert mine[0] == (program.name, sizes[program.name]), (one.object, program.name)
            if one.verdict.loaded and not program.section.startswith("?"):
                assert mine[1:] == theirs.added.get(program.name, []), (one.object, program.name)


def held(found: MapSpec) -> bool:
    """Return whether a map is a data section's (arenas and struct_ops have contents too)."""
    return found.contents is not None and found.type not in (MapType.ARENA, MapType.STRUCT_OPS)


def test_maps(family: str, compared: Families) -> None:
    for one, spec in parsed(family, compared):
        if not one.verdict.opened:
            continue
        theirs = opened.read(one.verdict.log)
        maps = {
            found.name: found for found in spec.maps if not held(found) and found.name != ".kconfig"
        }
        inner = {f"{name}.inner": found.inner for name, found in maps.items() if found.inner}
        assert maps.keys() | inner.keys() == theirs.maps.keys(), one.object
        for name, properties in theirs.maps.items():
            mine = maps.get(name) or inner[name]
            assert {
                word: getattr(mine, ours) for word, ours in PROPERTIES.items() if word in properties
            } == {word: number for word, number in properties.items() if word in PROPERTIES}, (
                one.object,
                name,
            )
        slots = {
            (found.name, *slot)
            for found in maps.values()
            if found.section == ".maps"
            for slot in found.slots
        }
        assert slots == theirs.slots, one.object
        check_data(one, spec, theirs)


def check_data(one: Compared, spec: CollectionSpec, theirs: Opened) -> None:
    mine: dict[str, MapSpec] = {found.name: found for found in spec.maps if held(found)}
    kconfig = {found.name for found in spec.maps if found.name == ".kconfig"}
    assert mine.keys() | kconfig == theirs.data.keys(), one.object
    for name, found in mine.items():
        assert found.flags & MapFlag.RDONLY_PROG == theirs.data[name] & MapFlag.RDONLY_PROG, (
            one.object,
            name,
        )


def test_references(family: str, compared: Families) -> None:
    """Every instruction that takes a map, a variable or an extern, and which."""
    need("llvm-readelf")
    objects_ = parsed(family, compared)
    symbols = llvm.symbols([one.object.path for one, _ in objects_])
    for one, spec in objects_:
        if not one.verdict.opened:
            continue
        theirs = opened.read(one.verdict.log).refs
        values = {
            symbol.name: symbol.value
            for symbol in symbols[one.object.path]
            if symbol.type != "SECTION"
        }
        met = set()
        for program in spec.programs:
            for ref in program.refs:
                at = within(program, ref.insn)
                what, name, symbol = theirs[at]
                met.add(at)
                about = (one.object, program.name, ref)
                match ref:
                    case MapRef():
                        assert (what, name) == ("map", ref.map), about
                    case DataRef(map=".kconfig"):
                        offsets = {
                            found.name: found.offset
                            for found in spec.variables
                            if found.map == ".kconfig"
                        }
                        assert (what, offsets[symbol]) == ("extern", ref.offset), about
                    case DataRef():
                        assert (what, name) in (("data map", ref.map), ("arena map", ref.map)), (
                            about
                        )
                        assert ref.offset == values.get(symbol, 0) + program.insns[ref.insn].imm, (
                            about
                        )
                    case ExternRef():
                        assert (what, symbol) == ("extern", ref.name), about
                    case _:
                        pytest.fail(f"{about}: unexpected")
        reached = {name for program in spec.programs for name, _ in program.functions}
        assert met == {at for at in theirs if at[0] in reached}, one.object


def test_enough(family: str, families: Families) -> None:
    assert len(families.objects(family)) >= LEAST.get(family, LEAST_OF_OURS)
