"""The ELF container: sections, symbols and relocations, each checked; the only importer of elftools."""

import struct
from io import BytesIO
from typing import Any, Final, NamedTuple

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from beepy.errors import ElfError
from beepy.text import safe

MAX_FILE: Final = 64 << 20  # bytes; a large eBPF object has 2 MB
_MAX_SECTIONS: Final = 1 << 14
_MAX_NOBITS: Final = (1 << 31) - 1  # bytes; the kernel's limit for a map's value
_MAX_SYMBOLS: Final = 1 << 16  # a large eBPF object has 5,000
_MAX_RELOCATIONS: Final = 1 << 18  # of one section
_SHF_EXECINSTR: Final = 0x4
_SHF_COMPRESSED: Final = 0x800
_SYMBOL_SIZE: Final = 24
_RELOCATION_SIZE: Final = 16

# what elftools raises on malformed input besides its own errors
_MALFORMED = (ELFError, OverflowError, ValueError, struct.error, KeyError, TypeError, AttributeError, AssertionError)


class Section(NamedTuple):
    """A section header; ``data`` are its bytes, empty for one that takes no space in the file (.bss)."""

    number: int
    name: str
    executable: bool
    nobits: bool
    size: int
    data: bytes


class Symbol(NamedTuple):
    """A symbol; ``section`` is an index, 0 for one that the object does not define, -1 for a special one (absolute)."""

    name: str
    value: int
    size: int
    bind: str
    type: str
    visibility: str
    section: int


class Relocation(NamedTuple):
    """``offset`` counts bytes in the section that is relocated; ``type`` is R_BPF_*."""

    offset: int
    type: int
    symbol: Symbol


class Elf(NamedTuple):
    """A BPF object: ``relocations`` by the index of the section that they patch, in the order of their offsets."""

    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]
    relocations: dict[int, tuple[Relocation, ...]]


def read(data: bytes, name: str) -> Elf:
    """Read an object for BPF (ELF64, little endian, relocatable); debug sections are left out.

    Raises ElfError for anything else and for what is malformed.
    """
    if len(data) > MAX_FILE:
        raise ElfError(f"{name}: {len(data)} bytes, at most {MAX_FILE} are taken")
    if not data.startswith(b"\x7fELF"):
        raise ElfError(f"{name}: not an ELF file")
    try:
        return _read(data, name)
    except _MALFORMED as error:
        raise ElfError(f"{name}: malformed ELF: {safe(str(error)[:200])}") from error


def _read(data: bytes, name: str) -> Elf:
    file = ELFFile(BytesIO(data))
    header = file.header
    if file.elfclass != 64 or not file.little_endian:
        raise ElfError(f"{name}: ELF: expected 64 bits, little endian")
    if header["e_machine"] != "EM_BPF" or header["e_type"] != "ET_REL":
        got = f"{header['e_type']} for {header['e_machine']}"
        raise ElfError(f"{name}: ELF: expected a relocatable object (ET_REL) for EM_BPF, got {safe(got)}")
    count = file.num_sections()
    if count > _MAX_SECTIONS:
        raise ElfError(f"{name}: ELF: {count} sections, at most {_MAX_SECTIONS} are taken")
    tables: list[SymbolTableSection] = []
    patches: list[RelocationSection] = []
    sections: list[Section] = []
    total = names = 0
    for index in range(count):
        found = file.get_section(index)
        section = _section(data, name, index, found)
        total += len(section.data)
        if total > len(data):
            raise ElfError(f"{name}: section {index}: sections overlap")
        names += len(section.name)
        if names > len(data):
            raise ElfError(f"{name}: section {index}: names share their bytes")
        sections.append(section)
        if isinstance(found, SymbolTableSection) and found["sh_type"] == "SHT_SYMTAB":
            tables.append(found)
        if isinstance(found, RelocationSection) and not _debug(section.name):
            patches.append(found)
    if len(tables) > 1:
        raise ElfError(f"{name}: ELF: {len(tables)} symbol tables, at most one is allowed")
    symbols = _symbols(name, tables[0], len(data)) if tables else ()
    relocations = {}
    for patch in patches:
        target = patch["sh_info"]
        if not 0 < target < count:
            raise ElfError(f"{name}: section {safe(patch.name)}: relocates section {target} of {count}")
        if sections[target].executable or sections[target].name.startswith((".maps", ".struct_ops")):
            relocations[target] = _relocations(name, patch, symbols)
    return Elf(tuple(sections), symbols, relocations)


def _debug(section: str) -> bool:
    return section.startswith((".debug", ".rel.debug", ".rel.BTF", ".rel.eh_frame"))


def _section(data: bytes, name: str, index: int, found: Any) -> Section:  # noqa: ANN401 - elftools has no types
    title = found.name
    size, offset = found["sh_size"], found["sh_offset"]
    nobits = found["sh_type"] in ("SHT_NOBITS", "SHT_NULL")
    executable = bool(found["sh_flags"] & _SHF_EXECINSTR) and found["sh_type"] == "SHT_PROGBITS"
    if found["sh_type"] == "SHT_NOBITS" and size > _MAX_NOBITS:
        raise ElfError(f"{name}: section {safe(title)}: {size} bytes, at most {_MAX_NOBITS} are taken")
    if nobits or title.startswith(".debug"):
        return Section(index, title, False, nobits, size, b"")
    if found["sh_flags"] & _SHF_COMPRESSED:
        raise ElfError(f"{name}: section {safe(title)}: compressed")
    content = data[offset : offset + size]
    if len(content) != size:
        raise ElfError(f"{name}: section {safe(title)}: {size} bytes at {offset} exceed the file's {len(data)}")
    return Section(index, title, executable, False, size, content)


def _symbols(name: str, table: Any, limit: int) -> tuple[Symbol, ...]:  # noqa: ANN401
    """Return the symbols; all names together have ``limit`` characters at most, for many could share one long one."""
    if table["sh_entsize"] != _SYMBOL_SIZE:
        raise ElfError(f"{name}: symbol table: entries of {table['sh_entsize']} bytes, expected {_SYMBOL_SIZE}")
    if (count := table.num_symbols()) > _MAX_SYMBOLS:
        raise ElfError(f"{name}: symbol table: {count} symbols, at most {_MAX_SYMBOLS} are taken")
    found = []
    for symbol in table.iter_symbols():
        limit -= len(symbol.name)
        if limit < 0:
            raise ElfError(f"{name}: symbol table: names share their bytes")
        found.append(_symbol(symbol))
    return tuple(found)


def _symbol(symbol: Any) -> Symbol:  # noqa: ANN401
    entry = symbol.entry
    section, info = entry["st_shndx"], entry["st_info"]
    if not isinstance(section, int):
        section = 0 if section == "SHN_UNDEF" else -1
    visibility = str(entry["st_other"]["visibility"])
    return Symbol(
        symbol.name, entry["st_value"], entry["st_size"], str(info["bind"]), str(info["type"]), visibility, section
    )


def _relocations(name: str, patch: Any, symbols: tuple[Symbol, ...]) -> tuple[Relocation, ...]:  # noqa: ANN401
    where = f"{name}: section {safe(patch.name)}"
    if patch.is_RELA() or patch["sh_entsize"] != _RELOCATION_SIZE:
        raise ElfError(f"{where}: expected SHT_REL with entries of {_RELOCATION_SIZE} bytes")
    if (count := patch.num_relocations()) > _MAX_RELOCATIONS:
        raise ElfError(f"{where}: {count} relocations, at most {_MAX_RELOCATIONS} are taken")
    found = []
    for number, relocation in enumerate(patch.iter_relocations()):
        index = relocation["r_info_sym"]
        if index >= len(symbols):
            raise ElfError(f"{where}: relocation {number}: symbol {index} of {len(symbols)}")
        found.append(Relocation(relocation["r_offset"], relocation["r_info_type"], symbols[index]))
    return tuple(sorted(found, key=lambda one: one.offset))
