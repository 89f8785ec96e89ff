"""Sections of code -> functions, each with what patches it: relocations, CO-RE records, infos for the verifier."""

import struct
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Final, NamedTuple

from beepy.btf import ext
from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.errors import ElfError
from beepy.obj import insn as op
from beepy.obj.elf import Elf, Relocation, Section, Symbol
from beepy.obj.insn import SLOT, Insn
from beepy.obj.sections import KCONFIG, TEXT
from beepy.obj.spec import (
    CallRef,
    CoreRef,
    DataRef,
    ExternRef,
    FuncInfo,
    FunctionSpec,
    JumpTableRef,
    LineInfo,
    MapRef,
    Ref,
)
from beepy.text import safe

MAX_TOTAL: Final = 1 << 19
"""Instructions and source lines of all functions of an object, and of all programs, each with its subprograms."""

_MAX_ACCESS: Final = 1024  # bytes of a CO-RE access string; 64 steps, the most that libbpf takes, fit in
_MAX_PROGRAMS: Final = 1 << 12
_MAX_ACCESSES: Final = 1 << 20  # bytes of all of them; a large object has 5,000 of 10 bytes
_LD64: Final = 1  # R_BPF_64_64
_CALL: Final = 10  # R_BPF_64_32


class Places(NamedTuple):
    """What a symbol stands for: ``maps`` by (section, offset in bytes), ``data`` maps by section, externs by name.

    ``kconfig`` gives the offset of each variable in the map of that name. ``text`` is the index of .text (0: none),
    ``where`` names the object, ``tables`` is the section of jump tables.
    """

    where: str
    text: int
    maps: Mapping[tuple[int, int], str]
    data: Mapping[int, str]
    kconfig: Mapping[str, int]
    ksyms: set[str]
    tables: Section | None = None


def functions(file: Elf, places: Places, btf: Btf | None, infos: ext.Ext) -> list[FunctionSpec]:
    """Return every function of the object, section by section, in the order of their offsets.

    Raises ElfError for functions that are not whole instructions or overlap, and for relocations that fit nothing.
    """
    found: list[FunctionSpec] = []
    programs = total = accesses = 0
    symbols: dict[int, list[Symbol]] = {}
    for symbol in file.symbols:
        if symbol.type == "STT_FUNC" and symbol.section > 0:
            symbols.setdefault(symbol.section, []).append(symbol)
    for section in file.sections:
        if section.executable and section.number in symbols:
            ordered = _distinct(places.where, section, symbols[section.number])
            programs += len(ordered) if section.name != TEXT else 0
            if programs > _MAX_PROGRAMS:
                raise ElfError(f"{places.where}: section {safe(section.name)}: more than {_MAX_PROGRAMS} programs")
            total += sum([symbol.size // SLOT for symbol in ordered])
            _check_total(places.where, total)
            found += _of_section(file, section, ordered, places)
    if btf is None:
        return found
    access = cache(partial(btf.string, limit=_MAX_ACCESS))
    for at, function in enumerate(found):
        found[at] = whole = _with_records(function, access, infos)
        total += len(whole.line_infos) + len(whole.core) + len(whole.func_infos)
        _check_total(places.where, total)
        accesses += sum([len(ref.access) for ref in whole.core])
        if accesses > _MAX_ACCESSES:
            raise ElfError(f"{places.where}: access strings of more than {_MAX_ACCESSES} bytes together")
    return found


def _check_total(where: str, total: int) -> None:
    if total > MAX_TOTAL:
        raise ElfError(f"{where}: functions of more than {MAX_TOTAL} instructions and lines together")


def _distinct(where: str, section: Section, symbols: list[Symbol]) -> list[Symbol]:
    """Return the section's functions in the order of their offsets; of several names for one the first counts."""
    distinct: dict[int, Symbol] = {}
    for symbol in symbols:
        distinct.setdefault(symbol.value, symbol)
    ordered = [distinct[offset] for offset in sorted(distinct)]
    end = 0
    for symbol in ordered:
        name = f"{where}: function '{safe(symbol.name)}'"
        if symbol.value % SLOT or symbol.size % SLOT or not symbol.size:
            raise ElfError(f"{name}: {symbol.size} bytes at {symbol.value}: not whole instructions")
        if symbol.value < end or symbol.value + symbol.size > section.size:
            raise ElfError(f"{name}: overlaps another one, or exceeds section {safe(section.name)}")
        if section.name != TEXT and symbol.bind == "STB_LOCAL":
            error = ElfError(f"{name}: static in section {safe(section.name)}: a program must be a global function")
            error.add_note(f"remove 'static' from the definition of {safe(symbol.name)}")
            raise error
        end = symbol.value + symbol.size
    return ordered


def _of_section(file: Elf, section: Section, symbols: Sequence[Symbol], places: Places) -> Iterator[FunctionSpec]:
    relocations = iter(file.relocations.get(section.number, ()))
    relocation = next(relocations, None)
    for symbol in symbols:
        insns = op.decode(section.data[symbol.value : symbol.value + symbol.size])
        refs: list[Ref] = []
        patched = set()
        targets = cache(partial(_targets, symbol, places))
        while relocation and relocation.offset < symbol.value + symbol.size:
            if relocation.offset >= symbol.value:  # one between functions patches nothing that runs
                at = (relocation.offset - symbol.value) // SLOT
                if relocation.offset % SLOT or at in patched:
                    where = f"{_about(places, symbol, at)}: relocation at byte {relocation.offset}"
                    raise ElfError(f"{where}: not at an instruction of its own")
                try:
                    refs.append(_ref(relocation, at, insns, places, targets))
                except ElfError as error:
                    where = f"{_about(places, symbol, at)}: relocation against '{safe(relocation.symbol.name)}'"
                    raise ElfError(f"{where}: {error}") from None
                patched.add(at)
            relocation = next(relocations, None)
        start = symbol.value // SLOT
        if section.number == places.text:
            refs += [
                CallRef(at, start + at + 1 + insn.imm)
                for at, insn in enumerate(insns)
                if insn.call and at not in patched
            ]
            refs.sort()
        exported = symbol.bind != "STB_LOCAL" and symbol.visibility == "STV_DEFAULT"
        yield FunctionSpec(symbol.name, section.name, start, insns, tuple(refs), (), (), (), exported)


def _about(places: Places, function: Symbol, at: int) -> str:
    return f"{places.where}: function '{safe(function.name)}': instruction {at}"


def _ref(
    relocation: Relocation,
    at: int,
    insns: tuple[Insn, ...],
    places: Places,
    targets: Callable[[int, int], tuple[int, ...]],
) -> Ref:
    """Return what a relocation asks for, by libbpf's rules (``bpf_program__record_reloc``).

    ``targets`` reads the jump table of so many bytes at an offset of its section.
    """
    insn, symbol = insns[at], relocation.symbol
    if insn.wide and at + 1 == len(insns):
        raise ElfError("the second half of the instruction is missing")
    if symbol.section == 0:
        if symbol.name in places.kconfig and insn.wide:
            return DataRef(at, KCONFIG, places.kconfig[symbol.name])
        if symbol.name in places.ksyms and (insn.wide or insn.code == op.CALL):
            return ExternRef(at, symbol.name)
        raise ElfError("the object does not define it, and it is no extern of .kconfig or .ksyms")
    if relocation.type == _CALL and insn.call:
        if symbol.section != places.text or symbol.value % SLOT or symbol.type not in ("STT_FUNC", "STT_SECTION"):
            raise ElfError(f"a call to what is no function of {TEXT}")
        return CallRef(at, symbol.value // SLOT + insn.imm + 1)
    if relocation.type != _LD64 or not insn.wide:
        raise ElfError(f"type {relocation.type} does not fit code {insn.code:#x}")
    if symbol.section == places.text:
        address = symbol.value + insn.imm
        if address % SLOT or address < 0:
            raise ElfError(f"address {address} is no function's")
        return CallRef(at, address // SLOT)
    if places.tables and symbol.section == places.tables.number:
        return JumpTableRef(at, targets(symbol.value, symbol.size))
    name = places.maps.get((symbol.section, symbol.value))
    if name is not None:
        return MapRef(at, name)
    name = places.data.get(symbol.section)
    if name is not None:
        return DataRef(at, name, symbol.value + insn.imm & 0xFFFFFFFF)
    raise ElfError("neither a map nor data")


def _targets(function: Symbol, places: Places, start: int, size: int) -> tuple[int, ...]:
    """Return the instructions of ``function`` that a jump table names.

    Its entries count bytes from the beginning of the code's section: libbpf's ``create_jt_map`` reads them so, too.
    """
    assert places.tables
    if not size or size % SLOT or start + size > places.tables.size:
        raise ElfError(f"a jump table of {size} bytes at {start} of {places.tables.size}")
    entries = struct.unpack_from(f"<{size // SLOT}Q", places.tables.data, start)
    for entry in entries:
        if entry % SLOT or not function.value <= entry < function.value + function.size:
            raise ElfError(f"a jump table names byte {entry}, where no instruction of the function begins")
    return tuple([(entry - function.value) // SLOT for entry in entries])


def _with_records(function: FunctionSpec, access: Callable[[int], str], infos: ext.Ext) -> FunctionSpec:
    start = function.offset * SLOT
    core = [
        CoreRef((offset - start) // SLOT, TypeId(type_id), access(text), kind)
        for offset, type_id, text, kind in _of(function, infos.core)
    ]
    named = [FuncInfo((offset - start) // SLOT, TypeId(type_id)) for offset, type_id in _of(function, infos.functions)]
    lines = [LineInfo((offset - start) // SLOT, *text) for offset, *text in _of(function, infos.lines)]
    return function._replace(core=tuple(core), func_infos=tuple(named), line_infos=tuple(lines))


def _of(function: FunctionSpec, records: Mapping[str, Sequence[tuple[int, ...]]]) -> Sequence[tuple[int, ...]]:
    """Return the records of the function's section that are its own; their offsets are bytes in the section."""
    found = records.get(function.section, ())
    start, end = function.offset * SLOT, (function.offset + len(function.insns)) * SLOT
    return found[bisect_left(found, (start,)) : bisect_left(found, (end,))]
