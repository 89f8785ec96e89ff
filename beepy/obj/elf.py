"""The ELF container of a BPF object: sections, symbols and relocations, each checked.

Of an object's ELF only these few structures are needed; elftools, which ``executable`` uses, would
take 5 ms to import, and a tenth of a millisecond for each section.
"""

import struct
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

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

_REL: Final = 1  # ET_REL
_BPF: Final = 247  # EM_BPF
_SHT_NULL: Final = 0
_SHT_PROGBITS: Final = 1
_SHT_SYMTAB: Final = 2
_SHT_STRTAB: Final = 3
_SHT_RELA: Final = 4
_SHT_NOBITS: Final = 8
_SHT_REL: Final = 9
_SHF_EXECINSTR: Final = 0x4
_SHF_COMPRESSED: Final = 0x800
_SHN_LORESERVE: Final = 0xFF00
_SHN_XINDEX: Final = 0xFFFF

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

# Elf64_Ehdr: type, machine, and of the section headers: offset, size, number, index of the names
_FILE_HEADER = struct.Struct("<16xHH20xQ10xHHH")
_SECTION_HEADER = struct.Struct("<IIQQQQIIQQ")  # Elf64_Shdr
# Elf64_Sym: name, bind << 4 | type, visibility, section, value, size
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQ")  # Elf64_Rel: offset, symbol << 32 | type

# by number; others are called by theirs
_BINDS: Final = dict(enumerate(("STB_LOCAL", "STB_GLOBAL", "STB_WEAK")))
_TYPES: Final = dict(enumerate(("STT_NOTYPE", "STT_OBJECT", "STT_FUNC", "STT_SECTION", "STT_FILE")))
_VISIBILITIES: Final = ("STV_DEFAULT", "STV_INTERNAL", "STV_HIDDEN", "STV_PROTECTED")
_OFFSET = itemgetter(0)


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


class _Header(NamedTuple):
    """A section's header: ``sh_name`` and so on."""

    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry_size: int


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
    return _read(data, name)


def _other(message: str) -> ElfError:
    """Return the error for an ELF file that is not a BPF object."""
    error = ElfError(message)
    error.add_note(_HOW)
    return error


def _expected(kind: int, machine: int) -> str:
    """Return what was expected in the place of an ELF file that is not a BPF object."""
    from elftools.elf import enums  # noqa: PLC0415 - only on the way to an error

    kinds = {number: name for name, number in enums.ENUM_E_TYPE.items()}
    machines = {number: name for name, number in enums.ENUM_E_MACHINE.items()}
    got = kinds.get(kind, f"{kind}")
    return (
        "expected a BPF object (ET_REL for EM_BPF), "
        f"got {_KINDS.get(got, 'a file')} ({got}) for {machines.get(machine, f'{machine}')}"
    )


class _File:
    """The headers and tables of the file."""

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name
        if len(data) < _FILE_HEADER.size:
            raise self._cut()
        kind, machine, *headers = _FILE_HEADER.unpack_from(data)
        if (kind, machine) != (_REL, _BPF):
            raise _other(f"{name}: ELF: {_expected(kind, machine)}")
        self._headers, self._header_size, self._count, self._names = headers

    def _cut(self) -> ElfError:
        return ElfError(
            f"{self.name}: malformed ELF: headers exceed the file's {len(self.data)} bytes"
        )

    def content(self, offset: int, size: int, where: str) -> bytes:
        """Return ``size`` bytes at ``offset`` of the file. Raises ElfError if it has fewer."""
        content = self.data[offset : offset + size]
        if len(content) != size:
            raise ElfError(f"{where}: {size} bytes at {offset} exceed the file's {len(self.data)}")
        return content

    def section_count(self) -> int:
        """Return ``e_shnum``, or ``sh_size`` of section 0 if ``e_shnum`` is 0."""
        if not self._headers:
            return 0
        if self._header_size < _SECTION_HEADER.size:
            raise ElfError(f"{self.name}: ELF: section headers of {self._header_size} bytes")
        count = self._count or self.section(0).size
        if count > _MAX_SECTIONS:
            raise ElfError(f"{self.name}: ELF: {count} sections, at most {_MAX_SECTIONS} are taken")
        if self._headers + count * self._header_size > len(self.data):
            raise self._cut()
        return count

    def section(self, index: int) -> _Header:
        offset = self._headers + index * self._header_size
        if offset + _SECTION_HEADER.size > len(self.data):
            raise self._cut()
        return _Header._make(_SECTION_HEADER.unpack_from(self.data, offset))

    def names(self) -> _Header:
        """Return the header of the string table of the sections' names."""
        is_large = self._names == _SHN_XINDEX
        return self.strings(self.section(0).link if is_large else self._names)

    def strings(self, index: int) -> _Header:
        table = self.section(index)
        if table.type != _SHT_STRTAB:
            raise ElfError(f"{self.name}: section {index}: not a string table")
        return table

    def string(self, table: _Header, at: int) -> str:
        start, end = table.offset + at, table.offset + table.size
        stop = self.data.find(b"\0", start, end)
        if stop < 0:
            raise ElfError(
                f"{self.name}: ELF: string {at}: exceeds its table of {table.size} bytes"
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
    if not count:
        return Elf((), (), {})
    strings = file.names()
    tables: list[_Header] = []
    patches: list[tuple[str, _Header]] = []
    sections: list[Section] = []
    total = names = 0
    for index in range(count):
        header = file.section(index)
        title = file.string(strings, header.name)
        section = _section(file, index, title, header)
        total += len(section.data)
        if total > len(data):
            raise ElfError(f"{name}: section {index}: overlapping sections")
        names += len(title)
        if names > len(data):
            raise ElfError(f"{name}: section {index}: overlapping names")
        sections.append(section)
        if header.type == _SHT_SYMTAB:
            tables.append(header)
        if header.type in (_SHT_REL, _SHT_RELA) and not _debug(title):
            patches.append((title, header))
    if len(tables) > 1:
        raise ElfError(f"{name}: ELF: {len(tables)} symbol tables, at most one is allowed")
    symbols = _symbols(file, tables[0]) if tables else ()
    relocations: dict[int, list[Relocation]] = {}
    for title, patch in patches:
        target = patch.info
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


def _section(file: _File, index: int, title: str, header: _Header) -> Section:
    size, where = header.size, f"{file.name}: section {safe(title)}"
    if header.type == _SHT_NOBITS and size > _MAX_NOBITS:
        raise ElfError(f"{where}: {size} bytes, at most {_MAX_NOBITS} are taken")
    nobits = header.type in (_SHT_NOBITS, _SHT_NULL)
    if nobits or title.startswith(".debug"):
        return Section(
            number=index, name=title, executable=False, nobits=nobits, size=size, data=b""
        )
    if header.flags & _SHF_COMPRESSED:
        raise ElfError(f"{where}: compressed")
    return Section(
        number=index,
        name=title,
        executable=bool(header.flags & _SHF_EXECINSTR) and header.type == _SHT_PROGBITS,
        nobits=False,
        size=size,
        data=file.content(header.offset, size, where),
    )


def _symbols(file: _File, table: _Header) -> tuple[Symbol, ...]:
    """Return the symbols.

    Their names together may not exceed the file: many could overlap in one long string.
    """
    where = f"{file.name}: symbol table"
    if table.entry_size != _SYMBOL.size or table.size % _SYMBOL.size:
        raise ElfError(f"{where}: entries of {table.entry_size} bytes, expected {_SYMBOL.size}")
    if (count := table.size // _SYMBOL.size) > _MAX_SYMBOLS:
        raise ElfError(f"{where}: {count} symbols, at most {_MAX_SYMBOLS} are taken")
    strings = file.strings(table.link)
    symbols = []
    limit = len(file.data)
    content = file.content(table.offset, count * _SYMBOL.size, where)
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
    patch: _Header,
    symbols: tuple[Symbol, ...],
    left: int,
) -> Iterator[Relocation]:
    where = f"{file.name}: section {safe(title)}"
    if patch.type != _SHT_REL or patch.entry_size != _RELOCATION.size:
        raise ElfError(f"{where}: expected SHT_REL with entries of {_RELOCATION.size} bytes")
    if (count := patch.size // _RELOCATION.size) > left:
        raise ElfError(
            f"{where}: {count} relocations: at most {_MAX_RELOCATIONS} of all sections are taken"
        )
    content = file.content(patch.offset, count * _RELOCATION.size, where)
    for number, (offset, info) in enumerate(_RELOCATION.iter_unpack(content)):
        index = info >> 32
        if index >= len(symbols):
            raise ElfError(f"{where}: relocation {number}: symbol {index} of {len(symbols)}")
        yield Relocation(offset, info & 0xFFFFFFFF, symbols[index])
