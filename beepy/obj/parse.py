"""Parse an object's bytes into a CollectionSpec, as libbpf's ``bpf_object__open`` does."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from beepy.btf import ext
from beepy.btf.btf import Btf
from beepy.btf.types import Kind
from beepy.errors import BtfError, ElfError
from beepy.obj import datasec, elf, functions, mapdefs
from beepy.obj.elf import Elf, Section
from beepy.obj.functions import MAX_TOTAL, SymbolTargets
from beepy.obj.linker import link
from beepy.obj.mapdefs import PlacedMap
from beepy.obj.sections import (
    ARENA,
    JUMP_TABLES,
    KCONFIG,
    KSYMS,
    LEGACY_MAPS,
    STRUCT_OPS,
    TEXT,
    is_data,
    is_maps,
)
from beepy.obj.spec import CollectionSpec, FunctionSpec, JumpTableRef, MapSpec, ProgramSpec
from beepy.text import safe
from beepy.uapi import MapType

MAX_TYPES: Final = 1 << 18
"""Types of an object; all of vmlinux are 130,000."""


def parse(data: bytes, name: str = "object") -> CollectionSpec:
    """Read a BPF object file; ``name`` is for messages and metrics.

    The same bytes give the same answer on every machine. Raises ElfError or BtfError for a
    malformed object.
    """
    where = safe(name)
    file = elf.read(data, where)
    # of equal names the first counts
    sections = {section.name: section for section in reversed(file.sections)}
    btf = _types(where, file, sections.get(".BTF"))
    globals_ = datasec.fixup_datasecs(btf, file) if btf else datasec.Globals()
    btf = globals_.btf
    maps = (*(mapdefs.read(btf, file) if btf else ()), *_legacy_maps(where, file, btf))
    variables, arena = globals_.variables, ""
    if ARENA in sections or any(placed.spec.type == MapType.ARENA for placed in maps):
        from beepy.obj import arenas  # noqa: PLC0415 - few objects have one

        maps, arena = arenas.with_globals(where, maps, sections.get(ARENA))
        variables = arenas.in_arena(variables, arena)
    areas = [section for section in file.sections if is_data(section.name) and section.size]
    data_maps = {section.number: section.name for section in areas}
    if arena:
        data_maps[sections[ARENA].number] = arena
    targets = SymbolTargets(
        where=where,
        text=next(
            (
                section.number
                for section in file.sections
                if section.executable and section.name == TEXT
            ),
            0,
        ),
        maps={(placed.section, placed.offset): placed.spec.name for placed in maps},
        data=data_maps,
        kconfig={
            variable.name: variable.offset for variable in variables if variable.map == KCONFIG
        },
        ksyms={extern.name for extern in globals_.externs if extern.section == KSYMS},
        jump_tables=sections.get(JUMP_TABLES),
    )
    records = sections.get(".BTF.ext")
    infos = ext.parse(records.data, btf) if btf and records else ext.Ext({}, {}, {})
    if not file.symbols:
        raise ElfError(f"{where}: no symbol table: the object is stripped")
    function_specs = functions.read(file, targets, btf, infos)
    programs = _programs(where, function_specs, _callbacks(where, btf, function_specs))
    specs = [placed.spec for placed in maps]
    if btf and any(section.name in STRUCT_OPS for section in file.sections):
        from beepy.obj import structops  # noqa: PLC0415 - few objects have any

        specs += structops.read(btf, file)
    specs += [datasec.data_map(section, btf) for section in areas]
    _check_names(where, specs)
    return CollectionSpec(
        name=name,
        license=_license(sections.get("license")),
        programs=programs,
        maps=(*specs, globals_.kconfig) if globals_.kconfig else tuple(specs),
        variables=variables,
        externs=globals_.externs,
        btf=btf,
    )


def _types(where: str, file: Elf, section: Section | None) -> Btf | None:
    """Return the object's types, None if it has none.

    Raises ElfError for sections that are ambiguous, or that need types.
    """
    btf = Btf(section.data, name=where) if section else None
    _check_sections(where, file)
    if btf is None:
        _check_untyped(where, file)
    elif len(btf) > MAX_TYPES:
        raise BtfError(f"{where}: {len(btf) - 1} types, at most {MAX_TYPES} are taken")
    return btf


def _legacy_maps(where: str, file: Elf, btf: Btf | None) -> Sequence[PlacedMap]:
    if not any(section.name == LEGACY_MAPS for section in file.sections):
        return ()
    from beepy.obj import legacymaps  # noqa: PLC0415 - few objects have any

    return legacymaps.read(where, file, btf)


def _callbacks(
    where: str, btf: Btf | None, function_specs: Sequence[FunctionSpec]
) -> Mapping[str, int]:
    if not btf or not any(btf.of_kind(Kind.DECL_TAG)):
        return {}
    from beepy.obj import exception_callbacks  # noqa: PLC0415 - few objects have any

    return exception_callbacks.read(where, btf, function_specs)


def _check_sections(where: str, file: Elf) -> None:
    """Raise ElfError for two sections of maps or data of one name.

    Each would define the same maps again.
    """
    names = Counter([section.name for section in file.sections])
    for name, count in names.items():
        if count > 1 and (is_maps(name) or is_data(name) or name in STRUCT_OPS):
            raise ElfError(f"{where}: section {safe(name)}: defined {count} times")


def _check_untyped(where: str, file: Elf) -> None:
    """Raise ElfError if an object without types defines something by its types.

    As libbpf's ``libbpf_needs_btf``.
    """
    operations = [section for section in file.sections if section.name in STRUCT_OPS]
    for section in (*mapdefs.defining(file), *operations):
        if section.size:
            error = ElfError(
                f"{where}: section {safe(section.name)}: the object has no type information (BTF)"
            )
            error.add_note("compile it with clang -g")
            raise error


def _license(section: Section | None) -> str:
    text = section.data.partition(b"\0")[0] if section else b""
    return text.decode("ascii", "backslashreplace")


def _check_names(where: str, maps: Sequence[MapSpec]) -> None:
    seen: set[str] = set()
    for map_spec in maps:
        if map_spec.name in seen:
            raise ElfError(f"{where}: map '{safe(map_spec.name)}': defined twice")
        seen.add(map_spec.name)


def _programs(
    where: str, function_specs: Sequence[FunctionSpec], callbacks: Mapping[str, int]
) -> tuple[ProgramSpec, ...]:
    """Return the entry functions, each with all functions that it reaches.

    ``callbacks`` are the offsets of exception callbacks, by program.
    """
    subprograms = {spec.offset: spec for spec in function_specs if spec.section == TEXT}
    programs: dict[str, ProgramSpec] = {}
    total = 0
    for entry in function_specs:
        if entry.section == TEXT:
            continue
        if entry.name in programs:
            raise ElfError(f"{where}: program '{safe(entry.name)}': defined twice")
        program = programs[entry.name] = link(entry, subprograms, callbacks.get(entry.name))
        total += len(program.insns) + len(program.line_infos)
        total += sum([len(ref.targets) for ref in program.refs if isinstance(ref, JumpTableRef)])
        if total > MAX_TOTAL:
            raise ElfError(
                f"{where}: programs of more than {MAX_TOTAL} instructions and lines together"
            )
    return tuple(programs.values())
