"""Read the functions in an object's sections of code, with their relocations and BTF records.

::

    section  | function          | function |   symbols (FUNC) say where each begins and ends
             | insn | insn | ... |          |   8 bytes an instruction
               ^ relocation: offset in the section; .BTF.ext: records by section and offset
"""

import struct
from bisect import bisect_left
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
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
"""Instructions and source lines of all functions of an object.

It is also the limit of all its programs together, each with its subprograms.
"""

# bytes of a CO-RE access string; 64 steps, the most that libbpf takes, fit in
_MAX_ACCESS: Final = 1024
_MAX_PROGRAMS: Final = 1 << 12
_MAX_ACCESSES: Final = 1 << 20  # bytes of all of them; a large object has 5,000 of 10 bytes
_LD64: Final = 1  # R_BPF_64_64
_CALL: Final = 10  # R_BPF_64_32
_NOT_IN_TEXT: Final = f"a call to something else than a function in {TEXT}"


class SymbolTargets(NamedTuple):
    """The things that relocations may refer to.

    ``maps`` are by (section, offset in bytes), ``data`` maps by section. ``kconfig`` gives the
    offset of each variable in the map of that name, ``ksyms`` are names of externs. ``text`` is the
    index of .text (0: no such section), ``where`` names the object in messages.
    """

    where: str
    text: int
    maps: Mapping[tuple[int, int], str]
    data: Mapping[int, str]
    kconfig: Mapping[str, int]
    ksyms: Container[str]
    jump_tables: Section | None = None


def read(file: Elf, targets: SymbolTargets, btf: Btf | None, infos: ext.Ext) -> list[FunctionSpec]:
    """Return every function of the object, section by section, in the order of their offsets.

    Raises ElfError for functions that are not whole instructions or overlap, and for relocations
    without a target.
    """
    functions: list[FunctionSpec] = []
    programs = total = accesses = 0
    symbols: dict[int, list[Symbol]] = {}
    for symbol in file.symbols:
        if symbol.type == "STT_FUNC" and symbol.section > 0:
            symbols.setdefault(symbol.section, []).append(symbol)
    for section in file.sections:
        if section.executable and section.number in symbols:
            ordered = _distinct(targets.where, section, symbols[section.number])
            programs += len(ordered) if section.name != TEXT else 0
            if programs > _MAX_PROGRAMS:
                where = f"{targets.where}: section {safe(section.name)}"
                raise ElfError(f"{where}: more than {_MAX_PROGRAMS} programs")
            total += sum([symbol.size // SLOT for symbol in ordered])
            _check_total(targets.where, total)
            functions += _functions_in(section, file, ordered, targets)
    if btf is None:
        return functions
    access = cache(partial(btf.string, limit=_MAX_ACCESS))
    for number, function in enumerate(functions):
        functions[number] = whole = _with_records(function, access, infos)
        total += len(whole.line_infos) + len(whole.core) + len(whole.func_infos)
        _check_total(targets.where, total)
        accesses += sum([len(ref.access) for ref in whole.core])
        if accesses > _MAX_ACCESSES:
            raise ElfError(
                f"{targets.where}: access strings of more than {_MAX_ACCESSES} bytes together"
            )
    return functions


def _check_total(where: str, total: int) -> None:
    if total > MAX_TOTAL:
        raise ElfError(
            f"{where}: functions of more than {MAX_TOTAL} instructions and lines together"
        )


def _distinct(where: str, section: Section, symbols: list[Symbol]) -> list[Symbol]:
    """Return the section's functions in the order of their offsets.

    Of several symbols for one function the first one counts.
    """
    distinct: dict[int, Symbol] = {}
    for symbol in symbols:
        distinct.setdefault(symbol.value, symbol)
    ordered = [distinct[offset] for offset in sorted(distinct)]
    end = 0
    for symbol in ordered:
        function = f"{where}: function '{safe(symbol.name)}'"
        if symbol.value % SLOT or symbol.size % SLOT or not symbol.size:
            raise ElfError(
                f"{function}: {symbol.size} bytes at {symbol.value}: not whole instructions"
            )
        if symbol.value < end or symbol.value + symbol.size > section.size:
            raise ElfError(
                f"{function}: overlaps another one, or exceeds section {safe(section.name)}"
            )
        end = symbol.value + symbol.size
    return ordered


def _functions_in(
    section: Section, file: Elf, symbols: Sequence[Symbol], targets: SymbolTargets
) -> Iterator[FunctionSpec]:
    """Yield the section's functions; BTF records are added by ``_with_records``.

    Calls within .text have no relocation. Programs may be static, as for cilium/ebpf and aya:
    calls from one to another have none either, and are refused.
    """
    has_static = any(symbol.bind == "STB_LOCAL" for symbol in symbols)
    relocations = iter(file.relocations.get(section.number, ()))
    relocation = next(relocations, None)
    for symbol in symbols:
        insns = op.decode(section.data[symbol.value : symbol.value + symbol.size])
        refs: list[Ref] = []
        patched = set()
        jump_table = cache(partial(_jump_table, symbol, targets))
        while relocation and relocation.offset < symbol.value + symbol.size:
            if relocation.offset >= symbol.value:  # one between functions patches nothing that runs
                at = (relocation.offset - symbol.value) // SLOT
                if relocation.offset % SLOT or at in patched:
                    where = f"{_about(targets, symbol, at)}: relocation at byte {relocation.offset}"
                    raise ElfError(
                        f"{where}: {'misaligned' if relocation.offset % SLOT else 'a second one'}"
                    )
                try:
                    refs.append(_ref(relocation, at, insns, targets, jump_table))
                except ElfError as error:
                    where = _about(targets, symbol, at)
                    name = safe(relocation.symbol.name)
                    raise ElfError(f"{where}: relocation against '{name}': {error}") from None
                patched.add(at)
            relocation = next(relocations, None)
        start = symbol.value // SLOT
        if section.number == targets.text:
            refs += [
                CallRef(at, start + at + 1 + insn.imm)
                for at, insn in enumerate(insns)
                if insn.call and at not in patched
            ]
            refs.sort()
        elif has_static:
            for at, insn in enumerate(insns):
                if insn.call and at not in patched:
                    raise ElfError(f"{_about(targets, symbol, at)}: {_NOT_IN_TEXT}")
        exported = symbol.bind != "STB_LOCAL" and symbol.visibility == "STV_DEFAULT"
        yield FunctionSpec(
            name=symbol.name,
            section=section.name,
            offset=start,
            insns=insns,
            refs=tuple(refs),
            core=(),
            func_infos=(),
            line_infos=(),
            exported=exported,
        )


def _about(targets: SymbolTargets, function: Symbol, at: int) -> str:
    return f"{targets.where}: function '{safe(function.name)}': instruction {at}"


def _ref(
    relocation: Relocation,
    at: int,
    insns: tuple[Insn, ...],
    targets: SymbolTargets,
    jump_table: Callable[[int, int], tuple[int, ...]],
) -> Ref:
    """Return the Ref of a relocation, by libbpf's rules (``bpf_program__record_reloc``).

    ``jump_table`` reads a table by its offset in its section and its size in bytes.
    """
    insn, symbol = insns[at], relocation.symbol
    if insn.wide and at + 1 == len(insns):
        raise ElfError("the second half of the instruction is missing")
    if symbol.section == 0:
        if symbol.name in targets.kconfig and insn.wide:
            return DataRef(at, KCONFIG, targets.kconfig[symbol.name])
        if symbol.name in targets.ksyms and (insn.wide or insn.code == op.CALL):
            return ExternRef(at, symbol.name)
        raise ElfError("undefined, and not an extern of .kconfig or .ksyms")
    if relocation.type == _CALL and insn.call:
        if (
            symbol.section != targets.text
            or symbol.value % SLOT
            or symbol.type not in ("STT_FUNC", "STT_SECTION")
        ):
            raise ElfError(_NOT_IN_TEXT)
        return CallRef(at, symbol.value // SLOT + insn.imm + 1)
    if relocation.type != _LD64 or not insn.wide:
        raise ElfError(f"type {relocation.type} does not fit code {insn.code:#x}")
    if symbol.section == targets.text:
        address = symbol.value + insn.imm
        if address % SLOT or address < 0:
            raise ElfError(f"address {address}: does not point to a function")
        return CallRef(at, address // SLOT)
    if targets.jump_tables and symbol.section == targets.jump_tables.number:
        return JumpTableRef(at, jump_table(symbol.value, symbol.size))
    name = targets.maps.get((symbol.section, symbol.value))
    if name is not None:
        return MapRef(at, name)
    name = targets.data.get(symbol.section)
    if name is not None:
        return DataRef(at, name, symbol.value + insn.imm & 0xFFFFFFFF)
    raise ElfError("neither a map nor data")


def _jump_table(function: Symbol, targets: SymbolTargets, start: int, size: int) -> tuple[int, ...]:
    """Return the instructions of ``function`` that a jump table names.

    Its entries are offsets in bytes from the beginning of the code's section, as libbpf's
    ``create_jt_map`` reads them.
    """
    table = targets.jump_tables
    assert table
    if not size or size % SLOT or start + size > table.size:
        raise ElfError(f"a jump table of {size} bytes at {start} of {table.size}")
    entries = struct.unpack_from(f"<{size // SLOT}Q", table.data, start)
    for entry in entries:
        if entry % SLOT or not function.value <= entry < function.value + function.size:
            raise ElfError(
                f"a jump table names byte {entry}, where no instruction of the function begins"
            )
    return tuple([(entry - function.value) // SLOT for entry in entries])


def _with_records(
    function: FunctionSpec, access: Callable[[int], str], infos: ext.Ext
) -> FunctionSpec:
    start = function.offset * SLOT
    core = [
        CoreRef((offset - start) // SLOT, TypeId(type_id), access(text), kind)
        for offset, type_id, text, kind in _records_of(function, infos.core)
    ]
    func_infos = [
        FuncInfo((offset - start) // SLOT, TypeId(type_id))
        for offset, type_id in _records_of(function, infos.functions)
    ]
    lines = [
        LineInfo((offset - start) // SLOT, *words)
        for offset, *words in _records_of(function, infos.lines)
    ]
    return function._replace(
        core=tuple(core), func_infos=tuple(func_infos), line_infos=tuple(lines)
    )


def _records_of(
    function: FunctionSpec, records: Mapping[str, Sequence[tuple[int, ...]]]
) -> Sequence[tuple[int, ...]]:
    """Return the function's own records; those of a section are in the order of their offsets."""
    ordered = records.get(function.section, ())
    start, end = function.offset * SLOT, (function.offset + len(function.insns)) * SLOT
    return ordered[bisect_left(ordered, (start,)) : bisect_left(ordered, (end,))]
