"""The ELF container of a BPF object: sections, symbols and relocations, each checked.

Only elftools' structures of ELF are used: its ELFFile takes 12 ms more to import, for what
debuggers need.
"""

import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from io import BytesIO
from operator import itemgetter
from typing import Any, Final, NamedTuple

from elftools.common.exceptions import ELFError
from elftools.common.utils import struct_parse
from elftools.elf import enums
from elftools.elf.structs import ELFStructs

from beepy.btf.names import text
from beepy.errors import ElfError
from beepy.file_bytes import ELF_MAGIC
from beepy.text import safe

MAX_FILE: Final = 16 << 20  # bytes; a large eBPF object has 2 MB
_MAX_SECTIONS: Final = 1 << 14
_MAX_NOBITS: Final = (1 << 31) - 1  # bytes; the kernel's limit for a map's value
_MAX_SYMBOLS: Final = 1 << 16  # a large eBPF object has 5,000
_MAX_RELOCATIONS: Final = 1 << 18  # of all sections together
_MAX_NAME: Final = 1 << 16  # bytes, as the strings of BTF
_SHF_EXECINSTR: Final = 0x4
_SHF_COMPRESSED: Final = 0x800
_SHN_LORESERVE: Final = 0xFF00
_SHN_XINDEX: Final = 0xFFFF
_MAX_WHY: Final = 200  # characters of elftools' own message
_HEADER_SIZE: Final = 64  # of a section

_KINDS: Final = {
    "ET_REL": "an object",
    "ET_EXEC": "an executable",
    "ET_DYN": "an executable or a library",
    "ET_CORE": "a core dump",
}
_IDENTS: Final = {
    b"\1\1": "32 bits, little endian",
    b"\1\2": "32 bits, big endian",
    b"\2\2": "64 bits, big endian",
}
_HOW: Final = "clang -target bpfel -g -O2 -c NAME.bpf.c -o NAME.bpf.o makes a BPF object"

# not elftools' structures, which are slow: an object may have thousands of these
# Elf64_Sym: name, bind << 4 | type, visibility, section, value, size
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQ")  # Elf64_Rel: offset, symbol << 32 | type
_BINDS: Final = {number: name for name, number in enums.ENUM_ST_INFO_BIND.items()}
_TYPES: Final = {number: name for name, number in enums.ENUM_ST_INFO_TYPE.items()}
_VISIBILITIES: Final = {number: name for name, number in enums.ENUM_ST_VISIBILITY.items()}
_OFFSET = itemgetter(0)

MALFORMED: Final = (
    ELFError,
    OverflowError,
    ValueError,
    struct.error,
    KeyError,
    TypeError,
    AttributeError,
    AssertionError,
)
"""The errors that elftools raises on malformed input: its own and others."""


class Section(NamedTuple):
    """A section header; ``data`` is empty for one that takes no space in the file (.bss)."""

    number: int
    name: str
    executable: bool
    nobits: bool
    size: int
    data: bytes


class Symbol(NamedTuple):
    """A symbol; ``section`` is its section's index, 0 if undefined, -1 if special (absolute)."""

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
    """A BPF object.

    ``relocations`` are by the index of the section that they patch, in the order of their offsets.
    """

    sections: tuple[Section, ...]
    symbols: tuple[Symbol, ...]
    relocations: dict[int, tuple[Relocation, ...]]


def read(data: bytes, name: str) -> Elf:
    """Read a BPF object (ELF64, little endian, relocatable); debug sections are left empty.

    Raises ElfError for any other file, and for a malformed one.
    """
    if len(data) > MAX_FILE:
        raise ElfError(f"{name}: {len(data)} bytes, at most {MAX_FILE} are taken")
    if not data.startswith(ELF_MAGIC):
        raise ElfError(f"{name}: not an ELF file")
    try:
        return _read(data, name)
    except MALFORMED as error:
        raise malformed(name, error) from error


def malformed(name: str, error: Exception) -> ElfError:
    """Return the ElfError for an error in ``MALFORMED``."""
    return ElfError(f"{name}: malformed ELF: {safe(str(error)[:_MAX_WHY])}")


def _other(message: str) -> ElfError:
    """Return the error for an ELF file that is not a BPF object."""
    error = ElfError(message)
    error.add_note(_HOW)
    return error


class _File:
    """The headers and tables of the file, as elftools' structures: ``header["sh_size"]``."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name
        self._stream = BytesIO(data)
        self.structs = ELFStructs(little_endian=True, elfclass=64)
        self.structs.create_basic_structs()
        self._header = header = self.parse(self.structs.Elf_Ehdr, 0)
        if header["e_machine"] != "EM_BPF" or header["e_type"] != "ET_REL":
            kind = f"{_KINDS.get(header['e_type'], 'a file')} ({header['e_type']})"
            raise _other(
                f"{name}: ELF: expected a BPF object (ET_REL for EM_BPF), "
                f"got {kind} for {header['e_machine']}"
            )
        self.structs.create_advanced_structs(
            header["e_type"], header["e_machine"], header["e_ident"]["EI_OSABI"]
        )

    def parse(self, structure: Any, offset: int) -> Any:  # noqa: ANN401 - elftools has no types
        return struct_parse(structure, self._stream, stream_pos=offset)

    def content(self, offset: int, size: int, where: str) -> bytes:
        """Return ``size`` bytes at ``offset`` of the file. Raises ElfError if it has fewer."""
        content = self.data[offset : offset + size]
        if len(content) != size:
            raise ElfError(f"{where}: {size} bytes at {offset} exceed the file's {len(self.data)}")
        return content

    def section_count(self) -> int:
        """Return ``e_shnum``, or ``sh_size`` of section 0 if ``e_shnum`` is 0."""
        if not self._header["e_shoff"]:
            return 0
        if self._header["e_shentsize"] < _HEADER_SIZE:
            raise ElfError(
                f"{self.name}: ELF: section headers of {self._header['e_shentsize']} bytes"
            )
        count = int(self._header["e_shnum"] or self.section(0)["sh_size"])
        if count > _MAX_SECTIONS:
            raise ElfError(f"{self.name}: ELF: {count} sections, at most {_MAX_SECTIONS} are taken")
        if self._header["e_shoff"] + count * self._header["e_shentsize"] > len(self.data):
            raise ElfError(
                f"{self.name}: malformed ELF: headers exceed the file's {len(self.data)} bytes"
            )
        return count

    def section(self, index: int) -> Any:  # noqa: ANN401
        offset = self._header["e_shoff"] + index * self._header["e_shentsize"]
        return self.parse(self.structs.Elf_Shdr, offset)

    def names(self) -> Any:  # noqa: ANN401
        """Return the header of the string table of the sections' names."""
        index = self._header["e_shstrndx"]
        return self.strings(self.section(0)["sh_link"] if index == _SHN_XINDEX else index)

    def strings(self, index: int) -> Any:  # noqa: ANN401
        table = self.section(index)
        if table["sh_type"] != "SHT_STRTAB":
            raise ElfError(f"{self.name}: section {index}: not a string table")
        return table

    def string(self, table: Any, at: int) -> str:  # noqa: ANN401
        start, end = table["sh_offset"] + at, table["sh_offset"] + table["sh_size"]
        stop = self.data.find(b"\0", start, end)
        if stop < 0:
            raise ElfError(
                f"{self.name}: ELF: string {at}: exceeds its table of {table['sh_size']} bytes"
            )
        if stop - start > _MAX_NAME:
            raise ElfError(f"{self.name}: ELF: string {at}: longer than {_MAX_NAME} bytes")
        return text(self.data[start:stop])


def _read(data: bytes, name: str) -> Elf:
    if data[4:6] != b"\2\1":
        got = _IDENTS.get(data[4:6], "an unknown class or byte order")
        raise _other(f"{name}: ELF: expected 64 bits, little endian, got {got}")
    file = _File(data, name)
    count = file.section_count()
    strings = file.names() if count else None
    tables: list[Any] = []
    patches: list[tuple[str, Any]] = []
    sections: list[Section] = []
    total = names = 0
    for index in range(count):
        header = file.section(index)
        title = file.string(strings, header["sh_name"])
        section = _section(data, name, index, title, header)
        total += len(section.data)
        if total > len(data):
            raise ElfError(f"{name}: section {index}: overlapping sections")
        names += len(title)
        if names > len(data):
            raise ElfError(f"{name}: section {index}: overlapping names")
        sections.append(section)
        if header["sh_type"] == "SHT_SYMTAB":
            tables.append(header)
        if header["sh_type"] in ("SHT_REL", "SHT_RELA") and not _debug(title):
            patches.append((title, header))
    if len(tables) > 1:
        raise ElfError(f"{name}: ELF: {len(tables)} symbol tables, at most one is allowed")
    symbols = _symbols(file, tables[0]) if tables else ()
    relocations: dict[int, list[Relocation]] = {}
    for title, patch in patches:
        target = patch["sh_info"]
        if not 0 < target < count:
            raise ElfError(f"{name}: section {safe(title)}: relocates section {target} of {count}")
        if sections[target].executable or sections[target].name.startswith(
            (".maps", ".struct_ops", "?.struct_ops")
        ):
            left = _MAX_RELOCATIONS - sum(map(len, relocations.values()))
            relocations.setdefault(target, []).extend(
                _relocations(file, title, patch, symbols, left)
            )
    ordered = {
        target: tuple(sorted(unordered, key=_OFFSET)) for target, unordered in relocations.items()
    }
    return Elf(tuple(sections), symbols, ordered)


def between(relocations: Sequence[Relocation], start: int, size: int) -> Sequence[Relocation]:
    """Return those of a section's relocations that patch ``size`` bytes at ``start``."""
    first, last = (bisect_left(relocations, at, key=_OFFSET) for at in (start, start + size))
    return relocations[first:last]


def _debug(section: str) -> bool:
    return section.startswith((".debug", ".rel.debug", ".rel.BTF", ".rel.eh_frame"))


def _section(data: bytes, name: str, index: int, title: str, header: Any) -> Section:  # noqa: ANN401
    size, offset = header["sh_size"], header["sh_offset"]
    nobits = header["sh_type"] in ("SHT_NOBITS", "SHT_NULL")
    executable = bool(header["sh_flags"] & _SHF_EXECINSTR) and header["sh_type"] == "SHT_PROGBITS"
    if header["sh_type"] == "SHT_NOBITS" and size > _MAX_NOBITS:
        raise ElfError(
            f"{name}: section {safe(title)}: {size} bytes, at most {_MAX_NOBITS} are taken"
        )
    if nobits or title.startswith(".debug"):
        return Section(
            number=index, name=title, executable=False, nobits=nobits, size=size, data=b""
        )
    if header["sh_flags"] & _SHF_COMPRESSED:
        raise ElfError(f"{name}: section {safe(title)}: compressed")
    content = data[offset : offset + size]
    if len(content) != size:
        raise ElfError(
            f"{name}: section {safe(title)}: {size} bytes at {offset} exceed the file's {len(data)}"
        )
    return Section(
        number=index, name=title, executable=executable, nobits=False, size=size, data=content
    )


def _symbols(file: _File, table: Any) -> tuple[Symbol, ...]:  # noqa: ANN401
    """Return the symbols.

    Their names together may not exceed the file: many could overlap in one long string.
    """
    where = f"{file.name}: symbol table"
    if table["sh_entsize"] != _SYMBOL.size or table["sh_size"] % _SYMBOL.size:
        raise ElfError(f"{where}: entries of {table['sh_entsize']} bytes, expected {_SYMBOL.size}")
    if (count := table["sh_size"] // _SYMBOL.size) > _MAX_SYMBOLS:
        raise ElfError(f"{where}: {count} symbols, at most {_MAX_SYMBOLS} are taken")
    strings = file.strings(table["sh_link"])
    symbols = []
    limit = len(file.data)
    content = file.content(table["sh_offset"], count * _SYMBOL.size, where)
    for name, info, other, section, value, size in _SYMBOL.iter_unpack(content):
        title = file.string(strings, name)
        limit -= len(title)
        if limit < 0:
            raise ElfError(f"{where}: overlapping names")
        bind, kind = _BINDS.get(info >> 4, f"{info >> 4}"), _TYPES.get(info & 15, f"{info & 15}")
        symbols.append(
            Symbol(
                name=title,
                value=value,
                size=size,
                bind=bind,
                type=kind,
                visibility=_VISIBILITIES[other & 3],
                section=section if section < _SHN_LORESERVE else -1,
            )
        )
    return tuple(symbols)


def _relocations(
    file: _File,
    title: str,
    patch: Any,  # noqa: ANN401
    symbols: tuple[Symbol, ...],
    left: int,
) -> Iterator[Relocation]:
    where = f"{file.name}: section {safe(title)}"
    if patch["sh_type"] != "SHT_REL" or patch["sh_entsize"] != _RELOCATION.size:
        raise ElfError(f"{where}: expected SHT_REL with entries of {_RELOCATION.size} bytes")
    if (count := patch["sh_size"] // _RELOCATION.size) > left:
        raise ElfError(
            f"{where}: {count} relocations: at most {_MAX_RELOCATIONS} of all sections are taken"
        )
    content = file.content(patch["sh_offset"], count * _RELOCATION.size, where)
    for number, (offset, info) in enumerate(_RELOCATION.iter_unpack(content)):
        index = info >> 32
        if index >= len(symbols):
            raise ElfError(f"{where}: relocation {number}: symbol {index} of {len(symbols)}")
        yield Relocation(offset, info & 0xFFFFFFFF, symbols[index])
