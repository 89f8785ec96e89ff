"""Write executables: segments, versioned symbols, notes of USDT probes; and one that runs."""

import struct
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

NULL, PROGBITS, SYMTAB, STRTAB, NOTE, NOBITS, DYNSYM = 0, 1, 2, 3, 7, 8, 11
VERDEF, VERSYM = 0x6FFFFFFD, 0x6FFFFFFF
OBJECT, FUNC, IFUNC = 1, 2, 10
LOCAL, GLOBAL, WEAK = 0, 1, 2
X86_64, AARCH64 = 62, 183
EXEC, DYN = 2, 3

TEXT, DATA = 0x400000, 0x600000
_PAGE: Final = 0x1000


class Section(NamedTuple):
    name: str
    type: int
    data: bytes
    address: int = 0
    link: str = ""
    info: int = 0


class Symbol(NamedTuple):
    name: str
    address: int
    type: int = FUNC
    bind: int = GLOBAL
    section: int = 1
    size: int = 0


def symbols(table: str, entries: Iterable[Symbol], bits: int = 64) -> list[Section]:
    """Return a symbol table and its strings."""
    names, data = b"\0", b""
    for one in (Symbol("", 0, 0, 0, 0), *entries):
        info = one.bind << 4 | one.type
        at = len(names) if one.name else 0
        names += one.name.encode() + b"\0" if one.name else b""
        if bits == 64:
            data += struct.pack("<IBBHQQ", at, info, 0, one.section, one.address, one.size)
        else:
            data += struct.pack("<IIIBBH", at, one.address, one.size, info, 0, one.section)
    strings = ".dynstr" if table == ".dynsym" else ".strtab"
    kind = DYNSYM if table == ".dynsym" else SYMTAB
    return [Section(table, kind, data, link=strings), Section(strings, STRTAB, names)]


def versions(indices: Sequence[int], names: Sequence[str]) -> list[Section]:
    """Return .gnu.version of the symbols and the definitions, numbered from 1.

    The first, empty symbol has a 0 before them.
    """
    strings, data = b"\0", b""
    for number, name in enumerate(names, 1):
        following = 28 if number < len(names) else 0
        data += struct.pack("<HHHHIII", 1, 0, number, 1, 0, 20, following) + struct.pack(
            "<II", len(strings), 0
        )
        strings += name.encode() + b"\0"
    return [
        Section(
            ".gnu.version",
            VERSYM,
            struct.pack(f"<{len(indices) + 1}H", 0, *indices),
            link=".dynsym",
        ),
        Section(".gnu.version_d", VERDEF, data, link=".verstr", info=len(names)),
        Section(".verstr", STRTAB, strings),
    ]


def note(
    provider: str,
    name: str,
    address: int,
    arguments: str = "",
    *,
    semaphore: int = 0,
    base: int = 0,
) -> bytes:
    """Return a note of a USDT probe."""
    texts = b"".join([text.encode() + b"\0" for text in (provider, name, arguments)])
    desc = struct.pack("<QQQ", address, base, semaphore) + texts
    return struct.pack("<III", 8, len(desc), 3) + b"stapsdt\0" + desc + bytes(-len(desc) % 4)


def write(
    text: bytes,
    data: bytes = b"",
    sections: Sequence[Section] = (),
    *,
    machine: int = X86_64,
    kind: int = EXEC,
    bits: int = 64,
) -> bytes:
    """Return an executable: ``text`` at TEXT + 0x1000 is its first section, ``data`` is at DATA."""
    whole = [
        Section("", NULL, b""),
        Section(".text", PROGBITS, text, TEXT + _PAGE),
        Section(".data", PROGBITS, data, DATA),
        *sections,
        Section(".shstrtab", STRTAB, b""),
    ]
    titles = b"\0".join([section.name.encode() for section in whole]) + b"\0"
    whole[-1] = whole[-1]._replace(data=titles)
    segments = [(5, _PAGE, TEXT + _PAGE, len(text))]
    if data:
        segments.append((6, 2 * _PAGE, DATA, len(data)))
    body = text.ljust(_PAGE, b"\0") + data.ljust(_PAGE, b"\0")
    headers, title = b"", 0
    numbers = {section.name: number for number, section in enumerate(whole)}
    for section in whole:
        at = {".text": _PAGE, ".data": 2 * _PAGE}.get(section.name, _PAGE + len(body))
        if section.name not in {".text", ".data"}:
            body += section.data + bytes(-len(section.data) % 8)
        fields = (
            title,
            section.type,
            0,
            section.address,
            at,
            len(section.data),
            numbers.get(section.link, 0),
        )
        entry = {SYMTAB: 24 if bits == 64 else 16, VERSYM: 2}.get(
            SYMTAB if section.type == DYNSYM else section.type, 0
        )
        headers += struct.pack(
            "<IIQQQQIIQQ" if bits == 64 else "<10I", *fields, section.info, 1, entry
        )
        title += len(section.name) + 1
    if bits == 64:
        program = [
            struct.pack("<IIQQQQQQ", 1, flags, at, to, to, size, size, _PAGE)
            for flags, at, to, size in segments
        ]
    else:
        program = [
            struct.pack("<8I", 1, at, to, to, size, size, flags, _PAGE)
            for flags, at, to, size in segments
        ]
    layout, sizes = (
        ("<16sHHIQQQIHHHHHH", (64, 56, 64)) if bits == 64 else ("<16sHHIIIIIHHHHHH", (52, 32, 40))
    )
    ident = b"\x7fELF" + (b"\x02" if bits == 64 else b"\x01") + b"\x01\x01"
    header = (
        ident,
        kind,
        machine,
        1,
        TEXT + _PAGE,
        sizes[0],
        _PAGE + len(body),
        0,
        sizes[0],
        sizes[1],
    )
    start = struct.pack(layout, *header, len(program), sizes[2], len(whole), len(whole) - 1)
    return (start + b"".join(program)).ljust(_PAGE, b"\0") + body + headers


_X86_64 = bytes.fromhex(
    "bf05000000"  # mov edi, 5
    "befaffffff"  # mov esi, -6
    "90"  # nop: the probe
    "0fb73c2500006000"  # movzx edi, word [DATA]
    "b83c000000"  # mov eax, 60 (exit)
    "0f05"  # syscall
)
_AARCH64 = bytes.fromhex(
    "a0008052"  # mov w0, 5
    "a1008012"  # mov w1, -6
    "1f2003d5"  # nop: the probe
    "0200a0d2"  # mov x2, DATA >> 16, lsl 16: filled in below
    "40004079"  # ldrh w0, [x2]
    "a80b80d2"  # mov x8, 93 (exit)
    "010000d4"  # svc 0
)


def passes(machine: str) -> bytes:
    """Return a program that passes the probe ours:three (5, -6, 7) and exits with its semaphore.

    Its text is ``main``.

    ``machine`` is uname's.
    """
    if machine == "x86_64":
        text, at, arguments, number = _X86_64, 10, "-4@%edi -4@%esi 4@$7", X86_64
    else:
        high = struct.pack("<I", 0xD2A00002 | (DATA >> 16) << 5)
        text, at, arguments, number = (
            _AARCH64[:12] + high + _AARCH64[16:],
            8,
            "-4@w0 -4@w1 4@7",
            AARCH64,
        )
    start = TEXT + _PAGE
    sections = [
        *symbols(".symtab", [Symbol("main", start), Symbol("probe", start + at)]),
        Section(
            ".note.stapsdt", NOTE, note("ours", "three", start + at, arguments, semaphore=DATA)
        ),
    ]
    return write(text, bytes(2), sections, machine=number)
