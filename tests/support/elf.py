"""Write BPF objects: sections, symbols and relocations, as clang lays them out."""

import struct
from collections.abc import Mapping, Sequence
from typing import Final

from beepy.btf.writer import BtfWriter
from beepy.obj.insn import Insn, encode

NULL, PROGBITS, SYMTAB, STRTAB, RELA, NOBITS, REL = 0, 1, 2, 3, 4, 8, 9
WRITE, ALLOC, EXEC, COMPRESSED = 1, 2, 4, 0x800
LOCAL, GLOBAL, WEAK = 0, 1, 2
NOTYPE, OBJECT, FUNC, SECTION = 0, 1, 2, 3
DEFAULT, INTERNAL, HIDDEN = 0, 1, 2
UNDEFINED, ABSOLUTE = 0, 0xFFF1
R_64_64, R_64_32 = 1, 10

_EHDR: Final = struct.Struct("<16sHHIQQQIHHHHHH")
_SHDR: Final = struct.Struct("<IIQQQQIIQQ")
_SYM: Final = struct.Struct("<IBBHQQ")
_REL: Final = struct.Struct("<QII")


class Section:
    """What a section header says; ``size`` None: that of ``data``."""

    def __init__(self, name: str, type: int = PROGBITS, flags: int = 0, data: bytes = b"") -> None:  # noqa: A002
        self.name = name
        self.type = type
        self.flags = flags
        self.data = bytearray(data)
        self.size: int | None = None
        self.link = self.info = self.entsize = 0


class ElfWriter:
    """Sections and symbols so far; string and symbol tables are added when it is written."""

    def __init__(self) -> None:
        self.sections: dict[str, Section] = {}
        self.relocations: dict[
            str, list[tuple[int, int, int]]
        ] = {}  # section -> (offset, symbol, type)
        self.symbols: list[tuple[str, int, int, str | int, int, int]] = [
            ("", 0, 0, UNDEFINED, 0, 0)
        ]
        self.machine, self.type, self.ident = 247, 1, b"\x7fELF\x02\x01\x01"  # EM_BPF, ET_REL

    def section(
        self,
        name: str,
        data: bytes = b"",
        *,
        type: int = PROGBITS,  # noqa: A002 - ELF's word
        flags: int = ALLOC,
    ) -> Section:
        """Return the section of that name, with ``data`` appended."""
        found = self.sections.setdefault(name, Section(name, type, flags))
        found.data += data
        return found

    def bss(self, size: int, name: str = ".bss") -> None:
        """Add a section that takes no space in the file."""
        self.section(name, type=NOBITS, flags=ALLOC | WRITE).size = size

    def symbol(
        self,
        name: str,
        section: str | int = UNDEFINED,
        value: int = 0,
        size: int = 0,
        *,
        bind: int = GLOBAL,
        type: int = NOTYPE,  # noqa: A002
        visibility: int = DEFAULT,
    ) -> int:
        """Add a symbol and return its index."""
        self.symbols.append((name, value, size, section, bind << 4 | type, visibility))
        return len(self.symbols) - 1

    def function(
        self,
        name: str,
        section: str,
        insns: Sequence[Insn],
        *,
        bind: int = GLOBAL,
        visibility: int = DEFAULT,
    ) -> int:
        """Add a function behind those that the section has; return the index of its symbol."""
        code = encode(tuple(insns))
        at = len(self.section(section, flags=ALLOC | EXEC).data)
        self.section(section, code)
        return self.symbol(
            name, section, at, len(code), bind=bind, type=FUNC, visibility=visibility
        )

    def relocate(self, section: str, offset: int, symbol: int, type: int = R_64_64) -> None:  # noqa: A002
        """Add a relocation at a byte of a section."""
        self.relocations.setdefault(section, []).append((offset, symbol, type))

    def data(self) -> bytes:
        """Return the file."""
        names = ["", *self.sections]
        strings = Section(".strtab", STRTAB, data=b"\0")
        sections = [Section("", NULL), *self.sections.values()]
        symtab = len(sections) + len(self.relocations)
        for section, entries in self.relocations.items():
            one = Section(
                f".rel{section}",
                REL,
                data=b"".join([_REL.pack(at, kind, to) for at, to, kind in entries]),
            )
            one.link, one.info, one.entsize = symtab, names.index(section), _REL.size
            sections.append(one)
        if self.symbols:
            sections.append(self._symtab(names, strings, symtab + 1))
        return self._laid_out([*sections, strings], strings)

    def _symtab(self, names: list[str], strings: Section, link: int) -> Section:
        table = Section(".symtab", SYMTAB)
        table.link, table.entsize = link, _SYM.size
        for name, value, size, section, info, visibility in self.symbols:
            index = names.index(section) if isinstance(section, str) else section
            table.data += _SYM.pack(_string(strings, name), info, visibility, index, value, size)
        return table

    def _laid_out(self, sections: list[Section], strings: Section) -> bytes:
        names = [_string(strings, one.name) for one in sections]
        body, headers = b"", b""
        for one, name in zip(sections, names, strict=True):
            body += bytes(-len(body) % 8)
            size = len(one.data) if one.size is None else one.size
            at = _EHDR.size + len(body)
            headers += _SHDR.pack(
                name, one.type, one.flags, 0, at, size, one.link, one.info, 1, one.entsize
            )
            body += one.data
        body += bytes(-len(body) % 8)
        table, count = _EHDR.size + len(body), len(sections)
        words = (
            self.ident.ljust(16, b"\0"),
            self.type,
            self.machine,
            1,
            0,
            0,
            table,
            0,
            _EHDR.size,
            0,
            0,
            _SHDR.size,
        )
        return _EHDR.pack(*words, count, count - 1) + body + headers


def _string(table: Section, text: str) -> int:
    if not text:
        return 0
    wanted = text.encode("utf-8", "surrogateescape") + b"\0"
    at = table.data.find(wanted)  # perhaps the end of another one
    if at >= 0:
        return at
    table.data += wanted
    return len(table.data) - len(wanted)


Records = Mapping[str, Sequence[Sequence[int]]]


def ext(writer: BtfWriter, functions: Records, lines: Records = {}, core: Records = {}) -> bytes:  # noqa: B006
    """Return .BTF.ext: each section's records as lists of words, the first a byte offset."""
    parts = [
        _part(writer, records, words) for records, words in ((functions, 2), (lines, 4), (core, 4))
    ]
    places, at = [], 0
    for part in parts:
        places += [at, len(part)]
        at += len(part)
    return struct.pack("<HBBI6I", 0xEB9F, 1, 0, 32, *places) + b"".join(parts)


def _part(writer: BtfWriter, records: Records, words: int) -> bytes:
    if not records:
        return b""
    part = struct.pack("<I", 4 * words)
    for section, entries in records.items():
        part += struct.pack("<II", writer.string(section), len(entries))
        part += b"".join([struct.pack(f"<{words}I", *entry) for entry in entries])
    return part


def number(writer: BtfWriter, value: int) -> int:
    """Return the type of ``__uint(name, value)``."""
    return writer.ptr(writer.array(1, value))


def map_definition(writer: BtfWriter, name: str, size: int = 0, **members: int) -> int:
    """Return a variable whose struct has these members.

    ``size`` is that of the struct; 0 means that of its members, which are pointers.
    """
    placed = [(member, type_id, 64 * at) for at, (member, type_id) in enumerate(members.items())]
    return writer.var(name, writer.struct("", size or 8 * len(placed), placed))
