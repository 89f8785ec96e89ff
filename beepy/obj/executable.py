"""Executables and shared libraries: where in the file a function or a USDT probe stands. Pure: bytes in, values out.

The kernel puts uprobes at offsets in a file; symbols and notes hold virtual addresses. A loaded segment joins the two::

    file    |....|#########|......     offset    segment.offset + (address - segment.address)
    memory         |#########|0000|    address
"""

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import Final, NamedTuple

from elftools.elf.elffile import ELFFile

from beepy.errors import ElfError
from beepy.file_bytes import ELF_MAGIC, FileBytes
from beepy.obj.elf import MALFORMED, malformed
from beepy.text import safe

_MAX_HEADERS: Final = 1 << 12
_MAX_TABLE: Final = 1 << 29  # bytes of a section; a browser with all its symbols has 200 MB of names
_MAX_SHARED: Final = 16  # times the size of their table, that all names may have: linkers put one at the end of another
_MAX_TITLES: Final = 1 << 20  # bytes of the names of all sections
_MAX_NOTE: Final = 1 << 16  # bytes of a USDT probe's
_MAX_VERSIONS: Final = 1 << 15  # an index has 15 bits
_MAX_VERSION: Final = 256  # characters
_IFUNC: Final = 10  # STT_GNU_IFUNC
_FUNCTIONS: Final = frozenset({2, _IFUNC})  # STT_FUNC
_VARIABLES: Final = frozenset({0, 1})  # STT_NOTYPE, STT_OBJECT
_WEAK: Final = 2  # STB_WEAK
_HIDDEN: Final = 0x8000  # of an index in .gnu.version: not the version that others link to
_SYMBOL: Final = {64: struct.Struct("<IBBHQQ"), 32: struct.Struct("<IIIBBH")}
_STAPSDT: Final = b"stapsdt\0"
_STAPSDT_TYPE: Final = 3


class Segment(NamedTuple):
    """What is loaded: ``size`` bytes at ``offset`` of the file, at ``address``."""

    address: int
    offset: int
    size: int
    executable: bool


class Section(NamedTuple):
    """A section header; ``type`` is SHT_*, ``link`` the index of another section."""

    name: str
    type: str
    address: int
    offset: int
    size: int
    link: int
    info: int


class Executable(NamedTuple):
    """An ELF file that is run; ``data`` stays the caller's. ``fixed``: it runs at the addresses that it names."""

    name: str
    machine: str
    bits: int
    fixed: bool
    segments: tuple[Segment, ...]
    sections: tuple[Section, ...]
    data: bytes | FileBytes


class Symbol(NamedTuple):
    """What a symbol table defines; ``hidden`` is not the version that a name without one means."""

    name: bytes
    version: bytes
    hidden: bool
    address: int
    weak: bool
    indirect: bool


class Probe(NamedTuple):
    """A USDT probe of .note.stapsdt: virtual addresses, ``semaphore`` 0 where it has none, and its arguments' text."""

    provider: str
    name: str
    address: int
    semaphore: int
    arguments: str


def read(data: bytes | FileBytes, name: str) -> Executable:
    """Read the headers of an executable or a library (little endian, 32 or 64 bits). Raises ElfError."""
    if data[:4] != ELF_MAGIC:
        raise ElfError(f"{name}: not an ELF file")
    try:
        file = ELFFile(BytesIO(data) if isinstance(data, bytes) else data.stream())
        kind = file.header["e_type"]
        if kind not in {"ET_EXEC", "ET_DYN"} or not file.little_endian:
            raise ElfError(f"{name}: ELF: expected an executable or a shared library, little endian; got {safe(kind)}")
        if file.num_sections() > _MAX_HEADERS or file.num_segments() > _MAX_HEADERS:
            raise ElfError(f"{name}: ELF: more than {_MAX_HEADERS} sections or segments")
        segments = [one.header for one in file.iter_segments("PT_LOAD")]
        sections: list[Section] = []
        left = _MAX_TITLES
        for one in file.iter_sections():
            left -= len(one.name)
            if left < 0:
                raise ElfError(f"{name}: ELF: names of sections of more than {_MAX_TITLES} bytes")
            sections.append(_section(one.name, one.header))
        return Executable(
            name,
            str(file.header["e_machine"]),
            file.elfclass,
            kind == "ET_EXEC",
            tuple([Segment(one.p_vaddr, one.p_offset, one.p_filesz, bool(one.p_flags & 1)) for one in segments]),
            tuple(sections),
            data,
        )
    except MALFORMED as error:
        raise malformed(name, error) from error


def _section(name: str, header: object) -> Section:
    fields = ("sh_type", "sh_addr", "sh_offset", "sh_size", "sh_link", "sh_info")
    kind, *numbers = [getattr(header, field) for field in fields]
    return Section(name, str(kind), *numbers)


def file_offset(file: Executable, address: int) -> int | None:
    """Return where in the file that address comes from, None if it is in no segment's file part."""
    for segment in file.segments:
        if 0 <= address - segment.address < segment.size:
            return address - segment.address + segment.offset
    return None


def function(file: Executable, wanted: str) -> int:
    """Return the address of the function ``NAME``, ``NAME@VERSION`` or ``NAME@@VERSION``.

    libbpf's rules: dynamic symbols first, a name without version means the default one, a weak symbol yields to
    another. Raises ElfError: there is none, several, or it is chosen at run time (IFUNC).
    """
    text, _, version = wanted.encode("utf-8", "surrogateescape").partition(b"@")
    version = version.removeprefix(b"@")
    for kind in ("SHT_DYNSYM", "SHT_SYMTAB"):
        found: Symbol | None = None
        for symbol in functions(file, kind, text):
            if symbol.version != version if version else symbol.hidden:
                continue
            if symbol.indirect:
                raise ElfError(f"{file.name}: {safe(wanted)}: an indirect function (IFUNC), chosen when it is linked")
            if found and symbol.address != found.address and not (found.weak or symbol.weak):
                raise ElfError(f"{file.name}: {safe(wanted)}: several functions of that name")
            if found is None or (found.weak and not symbol.weak):
                found = symbol
        if found:
            return found.address
    if not any(section.type == "SHT_SYMTAB" for section in file.sections):
        raise ElfError(f"{file.name}: {safe(wanted)}: no such dynamic symbol, and the file is stripped of all others")
    raise ElfError(f"{file.name}: {safe(wanted)}: no function of that name")


def variable(file: Executable, name: str) -> int | None:
    """Return the address of a variable, None if there is none or several."""
    text = name.encode("utf-8", "surrogateescape")
    tables = ("SHT_SYMTAB", "SHT_DYNSYM")
    found = {one.address for kind in tables for one in _defined(file, kind, text, _VARIABLES)}
    return found.pop() if len(found) == 1 else None


def functions(file: Executable, kind: str, name: bytes | None = None) -> Iterator[Symbol]:
    """Yield the functions that a table of that SHT_* ``kind`` defines, all or those of one name."""
    return _defined(file, kind, name, _FUNCTIONS)


def _defined(file: Executable, kind: str, name: bytes | None, types: frozenset[int]) -> Iterator[Symbol]:
    for table in file.sections:
        if table.type != kind or table.link >= len(file.sections):
            continue
        names = _bytes(file, file.sections[table.link])
        indices, named = _versions(file) if kind == "SHT_DYNSYM" else (b"", {})
        left = _MAX_SHARED * len(names)
        for number, (at, info, section, address) in enumerate(_symbols(file, table)):
            if info & 15 not in types or not section or not address or not names.startswith(name or b"", at):
                continue
            end = names.find(b"\0", at)
            if end < 0:
                continue
            left -= end - at
            if left < 0:
                raise ElfError(f"{file.name}: ELF: overlapping names of symbols")
            text, mark, version = names[at:end].partition(b"@")
            if name is not None and text != name:
                continue
            hidden = bool(mark) and not version.startswith(b"@")
            if 2 * number + 2 <= len(indices):
                index = int.from_bytes(indices[2 * number : 2 * number + 2], "little")
                version, hidden = named.get(index & ~_HIDDEN, b""), bool(index & _HIDDEN)
            yield Symbol(text, version.removeprefix(b"@"), hidden, address, info >> 4 == _WEAK, info & 15 == _IFUNC)


def _symbols(file: Executable, table: Section) -> Iterator[tuple[int, int, int, int]]:
    """Yield name, info, section and value of each symbol."""
    layout = _SYMBOL[file.bits]
    data = _bytes(file, table)
    records = layout.iter_unpack(data[: len(data) - len(data) % layout.size])
    if file.bits == 64:
        for name, info, _, section, value, _ in records:
            yield name, info, section, value
    else:
        for name, value, _, info, _, section in records:
            yield name, info, section, value


def _versions(file: Executable) -> tuple[bytes, dict[int, bytes]]:
    """Return the index of each dynamic symbol's version (u16, with ``_HIDDEN``), and the versions' names by index."""
    names: dict[int, bytes] = {}
    indices = b""
    for section in file.sections:
        data = _bytes(file, section) if section.name.startswith(".gnu.version") else b""
        if section.type == "SHT_GNU_versym":
            indices = data
        elif section.type == "SHT_GNU_verdef" and section.link < len(file.sections):
            names = _defined_versions(data, _bytes(file, file.sections[section.link]), min(section.info, _MAX_VERSIONS))
    return indices, names


def _defined_versions(data: bytes, strings: bytes, count: int) -> dict[int, bytes]:
    """Return the names by index, from Elf_Verdef and its first Elf_Verdaux each."""
    found: dict[int, bytes] = {}
    at = 0
    try:
        for _ in range(count):
            _, _, index, _, _, first, following = struct.unpack_from("<HHHHIII", data, at)
            (name,) = struct.unpack_from("<I", data, at + first)
            end = strings.find(b"\0", name, name + _MAX_VERSION)
            if end >= 0:
                found[index] = strings[name:end]
            at += following
    except struct.error:
        return found
    return found


def probes(file: Executable) -> Iterator[Probe]:
    """Yield the USDT probes; addresses are corrected where prelink moved the file after its notes were written."""
    base = next((section.address for section in file.sections if section.name == ".stapsdt.base"), None)
    words = struct.Struct("<QQQ" if file.bits == 64 else "<III")
    for section in file.sections:
        if section.name != ".note.stapsdt" or section.type != "SHT_NOTE":
            continue
        for desc in _notes(_bytes(file, section)):
            if not words.size <= len(desc) <= _MAX_NOTE:
                raise ElfError(f"{file.name}: .note.stapsdt: a note of {len(desc)} bytes")
            address, noted, semaphore = words.unpack_from(desc)
            moved = base - noted if base and noted else 0
            texts = desc[words.size :].split(b"\0", 3)
            if len(texts) < 4:  # three that end
                raise ElfError(f"{file.name}: .note.stapsdt: expected provider, name and arguments")
            provider, name, arguments = (text.decode("utf-8", "surrogateescape") for text in texts[:3])
            yield Probe(provider, name, address + moved, semaphore + moved if semaphore else 0, arguments)


def _notes(data: bytes) -> Iterator[bytes]:
    """Yield what each note of type stapsdt holds; name and contents are padded to 4 bytes."""
    at = 0
    while at + 12 <= len(data):
        name_size, size, kind = struct.unpack_from("<III", data, at)
        start = at + 12 + (name_size + 3 & ~3)
        if kind == _STAPSDT_TYPE and data[at + 12 : at + 12 + name_size] == _STAPSDT:
            yield data[start : start + size]
        at = start + (size + 3 & ~3)


def _bytes(file: Executable, section: Section) -> bytes:
    """Return a section's bytes, which may end with the file. Raises ElfError if they are too many."""
    if section.type == "SHT_NOBITS":
        return b""
    if section.size > _MAX_TABLE:
        raise ElfError(
            f"{file.name}: section {safe(section.name)}: {section.size} bytes, at most {_MAX_TABLE} are read"
        )
    return file.data[section.offset : section.offset + section.size]
