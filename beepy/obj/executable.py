"""Find functions and USDT probes in executables and shared libraries. Pure: bytes in, values out.

The kernel puts uprobes at offsets in a file; symbols and notes hold virtual addresses. A loaded
segment maps one to the other::

    file    |....|#########|......     offset    segment.offset + (address - segment.address)
    memory         |#########|0000|    address
"""

import struct
from collections.abc import Iterator
from io import BytesIO
from typing import Any, Final, NamedTuple

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile

from beepy.errors import ElfError
from beepy.file_bytes import ELF_MAGIC, FileBytes
from beepy.text import safe

_MAX_HEADERS: Final = 1 << 12
# bytes of a section; a browser with all its symbols has 200 MB of names
_MAX_TABLE: Final = 1 << 29
# times the size of their table: linkers let one name end another, so all may exceed it
_MAX_SHARED: Final = 16
_MAX_TITLES: Final = 1 << 20  # bytes of the names of all sections
_MAX_NOTE: Final = 1 << 16  # bytes of a USDT probe's
_MAX_VERSIONS: Final = 1 << 15  # an index has 15 bits
_MAX_VERSION: Final = 256  # characters
_IFUNC: Final = 10  # STT_GNU_IFUNC
_FUNCTIONS: Final = frozenset({2, _IFUNC})  # STT_FUNC
_VARIABLES: Final = frozenset({0, 1})  # STT_NOTYPE, STT_OBJECT
_WEAK: Final = 2  # STB_WEAK
_HIDDEN: Final = 0x8000  # flag of an index in .gnu.version: not the default version
_SYMBOL: Final = {64: struct.Struct("<IBBHQQ"), 32: struct.Struct("<IIIBBH")}
_STAPSDT: Final = b"stapsdt\0"
_STAPSDT_TYPE: Final = 3
_MAX_WHY: Final = 200  # characters of elftools' own message

_MALFORMED: Final = (
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


class Segment(NamedTuple):
    """A PT_LOAD segment: ``size`` bytes at ``offset`` of the file are loaded at ``address``."""

    address: int
    offset: int
    size: int
    executable: bool


class SectionHeader(NamedTuple):
    """A section header; ``type`` is SHT_*, ``link`` the index of another section."""

    name: str
    type: str
    address: int
    offset: int
    size: int
    link: int
    info: int


class Executable(NamedTuple):
    """An executable or a library.

    ``fixed``: its addresses are not relocated. The caller owns ``data``.
    """

    name: str
    machine: str
    bits: int
    fixed: bool
    segments: tuple[Segment, ...]
    sections: tuple[SectionHeader, ...]
    data: bytes | FileBytes


class DefinedSymbol(NamedTuple):
    """A symbol that is defined.

    ``hidden``: its version is not the default one, to which a name without version refers. ``size``
    is in bytes, 0 if it is unknown.
    """

    name: bytes
    version: bytes
    hidden: bool
    address: int
    weak: bool
    indirect: bool
    size: int


class Probe(NamedTuple):
    """A USDT probe of .note.stapsdt, with virtual addresses; ``semaphore`` is 0 if it has none."""

    provider: str
    name: str
    address: int
    semaphore: int
    arguments: str


def read(data: bytes | FileBytes, name: str) -> Executable:
    """Read the headers of an executable or a library (little endian, 32 or 64 bits).

    Raises ElfError for any other file, and for a malformed one.
    """
    if data[:4] != ELF_MAGIC:
        raise ElfError(f"{name}: not an ELF file")
    try:
        file = ELFFile(BytesIO(data) if isinstance(data, bytes) else data.stream())
        kind = file.header["e_type"]
        if kind not in {"ET_EXEC", "ET_DYN"} or not file.little_endian:
            raise ElfError(
                f"{name}: ELF: expected an executable or a shared library, little endian; "
                f"got {safe(kind)}"
            )
        if file.num_sections() > _MAX_HEADERS or file.num_segments() > _MAX_HEADERS:
            raise ElfError(f"{name}: ELF: more than {_MAX_HEADERS} sections or segments")
        headers = [segment.header for segment in file.iter_segments("PT_LOAD")]
        sections: list[SectionHeader] = []
        left = _MAX_TITLES
        for section in file.iter_sections():
            left -= len(section.name)
            if left < 0:
                raise ElfError(f"{name}: ELF: names of sections of more than {_MAX_TITLES} bytes")
            sections.append(_section(section.name, section.header))
        return Executable(
            name=name,
            machine=str(file.header["e_machine"]),
            bits=file.elfclass,
            fixed=kind == "ET_EXEC",
            segments=tuple(
                [Segment(s.p_vaddr, s.p_offset, s.p_filesz, bool(s.p_flags & 1)) for s in headers]
            ),
            sections=tuple(sections),
            data=data,
        )
    except _MALFORMED as error:
        raise ElfError(f"{name}: malformed ELF: {safe(str(error)[:_MAX_WHY])}") from error


def _section(name: str, header: Any) -> SectionHeader:  # noqa: ANN401 - elftools has no types
    return SectionHeader(
        name=name,
        type=str(header.sh_type),
        address=header.sh_addr,
        offset=header.sh_offset,
        size=header.sh_size,
        link=header.sh_link,
        info=header.sh_info,
    )


def file_offset(file: Executable, address: int) -> int | None:
    """Return the offset in the file of an address, None if no segment loads it from the file."""
    for segment in file.segments:
        if 0 <= address - segment.address < segment.size:
            return address - segment.address + segment.offset
    return None


def function(file: Executable, wanted: str) -> int:
    """Return the address of the function ``NAME``, ``NAME@VERSION`` or ``NAME@@VERSION``.

    libbpf's rules: dynamic symbols first, a name without version is the default one, a weak symbol
    yields to another. Raises ElfError if there is no such function, if there are several, or if it
    is chosen at run time (IFUNC).
    """
    text, _, version = wanted.encode("utf-8", "surrogateescape").partition(b"@")
    version = version.removeprefix(b"@")
    for kind in ("SHT_DYNSYM", "SHT_SYMTAB"):
        best: DefinedSymbol | None = None
        for symbol in functions(file, kind, text):
            if symbol.version != version if version else symbol.hidden:
                continue
            if symbol.indirect:
                where = f"{file.name}: {safe(wanted)}"
                raise ElfError(f"{where}: an indirect function (IFUNC), chosen when it is linked")
            if best and symbol.address != best.address and not (best.weak or symbol.weak):
                raise ElfError(f"{file.name}: {safe(wanted)}: several functions of that name")
            if best is None or (best.weak and not symbol.weak):
                best = symbol
        if best:
            return best.address
    if not any(section.type == "SHT_SYMTAB" for section in file.sections):
        raise ElfError(
            f"{file.name}: {safe(wanted)}: no such dynamic symbol, and other symbols are stripped"
        )
    raise ElfError(f"{file.name}: {safe(wanted)}: no function of that name")


def variable(file: Executable, name: str) -> int | None:
    """Return the address of a variable, None if there is no such variable or several."""
    text = name.encode("utf-8", "surrogateescape")
    tables = ("SHT_SYMTAB", "SHT_DYNSYM")
    addresses = {
        symbol.address for kind in tables for symbol in _defined(file, kind, text, _VARIABLES)
    }
    return addresses.pop() if len(addresses) == 1 else None


def functions(file: Executable, kind: str, name: bytes | None = None) -> Iterator[DefinedSymbol]:
    """Yield the functions that a table of that SHT_* ``kind`` defines, all or those of one name."""
    return _defined(file, kind, name, _FUNCTIONS)


def _defined(
    file: Executable, kind: str, name: bytes | None, types: frozenset[int]
) -> Iterator[DefinedSymbol]:
    for table in file.sections:
        if table.type != kind or table.link >= len(file.sections):
            continue
        names = _bytes(file, file.sections[table.link])
        indices, named = _versions(file) if kind == "SHT_DYNSYM" else (b"", {})
        left = _MAX_SHARED * len(names)
        for number, (at, info, section, address, size) in enumerate(_symbols(file, table)):
            if (
                info & 15 not in types
                or not section
                or not address
                or not names.startswith(name or b"", at)
            ):
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
            yield DefinedSymbol(
                name=text,
                version=version.removeprefix(b"@"),
                hidden=hidden,
                address=address,
                weak=info >> 4 == _WEAK,
                indirect=info & 15 == _IFUNC,
                size=size,
            )


def _symbols(file: Executable, table: SectionHeader) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield name, info, section, value and size of each symbol."""
    layout = _SYMBOL[file.bits]
    data = _bytes(file, table)
    records = layout.iter_unpack(data[: len(data) - len(data) % layout.size])
    if file.bits == 64:
        for name, info, _, section, value, size in records:
            yield name, info, section, value, size
    else:
        for name, value, size, info, _, section in records:
            yield name, info, section, value, size


def _versions(file: Executable) -> tuple[bytes, dict[int, bytes]]:
    """Return the index of each dynamic symbol's version, and the versions' names by index.

    The indices are bytes: a u16 for each symbol, with the flag ``_HIDDEN``.
    """
    names: dict[int, bytes] = {}
    indices = b""
    for section in file.sections:
        data = _bytes(file, section) if section.name.startswith(".gnu.version") else b""
        if section.type == "SHT_GNU_versym":
            indices = data
        elif section.type == "SHT_GNU_verdef" and section.link < len(file.sections):
            names = _defined_versions(
                data, _bytes(file, file.sections[section.link]), min(section.info, _MAX_VERSIONS)
            )
    return indices, names


def _defined_versions(data: bytes, strings: bytes, count: int) -> dict[int, bytes]:
    """Return the names by index: of each Elf_Verdef, the first Elf_Verdaux.

    ::

        Verdef | version, flags, index, count | hash | first Verdaux | next Verdef |
                 u16 each                       u32    u32             u32

    The last two are offsets in bytes from this Verdef.
    """
    names: dict[int, bytes] = {}
    at = 0
    try:
        for _ in range(count):
            _, _, index, _, _, first, following = struct.unpack_from("<HHHHIII", data, at)
            (name,) = struct.unpack_from("<I", data, at + first)
            end = strings.find(b"\0", name, name + _MAX_VERSION)
            if end >= 0:
                names[index] = strings[name:end]
            at += following
    except struct.error:
        return names
    return names


def probes(file: Executable) -> Iterator[Probe]:
    """Yield the USDT probes; correct their addresses if prelink moved the file after linking.

    ::

        note | address | .stapsdt.base when linked | semaphore | provider, name, arguments |
               word      word                        word        each with its NUL
    """
    base = next(
        (section.address for section in file.sections if section.name == ".stapsdt.base"), None
    )
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
            if len(texts) < 4:  # each of the three has its NUL
                raise ElfError(f"{file.name}: .note.stapsdt: expected provider, name and arguments")
            provider, name, arguments = (
                text.decode("utf-8", "surrogateescape") for text in texts[:3]
            )
            yield Probe(
                provider, name, address + moved, semaphore + moved if semaphore else 0, arguments
            )


def _notes(data: bytes) -> Iterator[bytes]:
    """Yield the contents of each note of type stapsdt.

    ::

        | size of name | size of contents | type | name                | contents            |
          u32            u32                u32    padded to 4 bytes     padded to 4 bytes
    """
    at = 0
    while at + 12 <= len(data):
        name_size, size, kind = struct.unpack_from("<III", data, at)
        start = at + 12 + (name_size + 3 & ~3)
        if kind == _STAPSDT_TYPE and data[at + 12 : at + 12 + name_size] == _STAPSDT:
            yield data[start : start + size]
        at = start + (size + 3 & ~3)


def _bytes(file: Executable, section: SectionHeader) -> bytes:
    """Return a section's bytes, fewer if the file ends early. Raises ElfError beyond _MAX_TABLE."""
    if section.type == "SHT_NOBITS":
        return b""
    if section.size > _MAX_TABLE:
        where = f"{file.name}: section {safe(section.name)}"
        raise ElfError(f"{where}: {section.size} bytes, at most {_MAX_TABLE} are read")
    return file.data[section.offset : section.offset + section.size]
