"""An object's bytes -> CollectionSpec: what libbpf calls opening."""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from beepy.btf import ext
from beepy.btf.btf import Btf
from beepy.errors import BtfError, ElfError
from beepy.obj import arenas, callbacks, code, datasec, elf, legacymaps, mapdefs, structops
from beepy.obj.code import MAX_TOTAL, Places
from beepy.obj.elf import Elf, Section
from beepy.obj.linker import link
from beepy.obj.sections import ARENA, JUMP_TABLES, KCONFIG, KSYMS, TEXT, is_data, is_maps
from beepy.obj.spec import CollectionSpec, FunctionSpec, JumpTableRef, MapSpec, ProgramSpec
from beepy.text import safe

MAX_TYPES: Final = 1 << 18
"""Types of an object; all of vmlinux are 130,000."""

_NO_HINTS: Mapping[str, bytes] = MappingProxyType({})


def parse(
    data: bytes, name: str = "object", image_format: str = "elf", hints: Mapping[str, bytes] = _NO_HINTS
) -> CollectionSpec:
    """Read a BPF object file; ``name`` is for messages and metrics, ``hints`` are what the image's format carries.

    The same bytes give the same answer on every machine. Raises ElfError or BtfError for what is malformed.
    """
    where = safe(name)
    file = elf.read(data, where)
    sections = {section.name: section for section in reversed(file.sections)}  # of equal names the first counts
    types = sections.get(".BTF")
    btf = Btf(types.data, name=where) if types else None
    _check_sections(where, file)
    if btf is None:
        _check_untyped(where, file)
    elif len(btf) > MAX_TYPES:
        raise BtfError(f"{where}: {len(btf) - 1} types, at most {MAX_TYPES} are taken")
    complete = datasec.fixup_datasecs(btf, file) if btf else None
    btf = complete.btf if complete else None
    maps = (*(mapdefs.read(btf, file) if btf else ()), *legacymaps.read(where, file, btf))
    maps, arena = arenas.with_globals(where, maps, sections.get(ARENA))
    areas = [section for section in file.sections if is_data(section.name) and section.size]
    held = {section.number: section.name for section in areas}
    if arena:
        held[sections[ARENA].number] = arena
    variables = arenas.in_arena(complete.variables, arena) if complete else ()
    kconfig = complete.kconfig if complete else None
    places = Places(
        where,
        next((section.number for section in file.sections if section.executable and section.name == TEXT), 0),
        {(one.section, one.offset): one.spec.name for one in maps},
        held,
        {variable.name: variable.offset for variable in variables if variable.map == KCONFIG},
        {extern.name for extern in complete.externs if extern.section == KSYMS} if complete else set(),
        sections.get(JUMP_TABLES),
    )
    records = sections.get(".BTF.ext")
    infos = ext.parse(records.data, btf) if btf and records else ext.Ext({}, {}, {})
    if not file.symbols:
        raise ElfError(f"{where}: no symbol table: the object is stripped")
    functions = code.functions(file, places, btf, infos)
    programs = _programs(where, functions, callbacks.read(where, btf, functions) if btf else {})
    operations = structops.read(btf, file) if btf else ()
    specs = (*(one.spec for one in maps), *operations, *(datasec.data_map(section, btf) for section in areas))
    _check_names(where, specs)
    return CollectionSpec(
        name,
        image_format,
        hints,
        _license(sections.get("license")),
        programs,
        (*specs, *((kconfig,) if kconfig else ())),
        variables,
        complete.externs if complete else (),
        btf,
    )


def _check_sections(where: str, file: Elf) -> None:
    """Raise ElfError where a section of maps or data stands there twice: each defines the same again."""
    names = Counter([section.name for section in file.sections])
    for name, count in names.items():
        if count > 1 and (is_maps(name) or is_data(name) or name in structops.SECTIONS):
            raise ElfError(f"{where}: section {safe(name)}: stands there {count} times")


def _check_untyped(where: str, file: Elf) -> None:
    """Raise ElfError where an object without types defines something by its types (``libbpf_needs_btf``)."""
    for section in (*mapdefs.defining(file), *[one for one in file.sections if one.name in structops.SECTIONS]):
        if section.size:
            error = ElfError(f"{where}: section {safe(section.name)}: the object has no type information (BTF)")
            error.add_note("compile it with clang -g")
            raise error


def _license(section: Section | None) -> str:
    text = section.data.partition(b"\0")[0] if section else b""
    return text.decode("ascii", "backslashreplace")


def _check_names(where: str, maps: Sequence[MapSpec]) -> None:
    seen: set[str] = set()
    for one in maps:
        if one.name in seen:
            raise ElfError(f"{where}: map '{safe(one.name)}': defined twice")
        seen.add(one.name)


def _programs(where: str, functions: Sequence[FunctionSpec], exceptions: Mapping[str, int]) -> tuple[ProgramSpec, ...]:
    subprograms = {function.offset: function for function in functions if function.section == TEXT}
    programs: dict[str, ProgramSpec] = {}
    total = 0
    for entry in functions:
        if entry.section == TEXT:
            continue
        if entry.name in programs:
            raise ElfError(f"{where}: program '{safe(entry.name)}': defined twice")
        program = programs[entry.name] = link(entry, subprograms, exceptions.get(entry.name))
        total += len(program.insns) + len(program.line_infos)
        total += sum([len(ref.targets) for ref in program.refs if isinstance(ref, JumpTableRef)])
        if total > MAX_TOTAL:
            raise ElfError(f"{where}: programs of more than {MAX_TOTAL} instructions and lines together")
    return tuple(programs.values())
