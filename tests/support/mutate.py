"""Structure-aware mutants of BPF objects: what a format says about itself gets values that hurt.

Each function here changes one thing where its format puts it: a field of a header, a symbol, a
relocation, an instruction, a record. Types are mutated as types (``mutate_btf``), so that most
mutants stay readable up to where they hurt. A section that changes its length moves to the end of
the file.
"""

import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from tests.support.mutate_btf import Types, change_types, name

# ident, type, machine, version, entry, phoff, shoff, flags, ehsize, phentsize, phnum, shentsize,
# shnum, shstrndx
EHDR_SIZES: Final = (16, 2, 2, 4, 8, 8, 8, 4, 2, 2, 2, 2, 2, 2)
SHDR: Final = struct.Struct("<IIQQQQIIQQ")
SHDR_SIZES: Final = (4, 4, 8, 8, 8, 8, 4, 4, 8, 8)
SYM_SIZES: Final = (4, 1, 1, 2, 8, 8)  # name, info, other, shndx, value, size
REL_SIZES: Final = (8, 4, 4)  # offset, type, symbol
INSN_SIZES: Final = (1, 1, 2, 4)

SYMTAB, STRTAB, NOBITS, REL = 2, 3, 8, 9
_EXECINSTR: Final = 4
_TYPE, _FLAGS, _OFFSET, _SIZE = 1, 2, 4, 5  # in SHDR

# section types that elftools reads in its own way: RELA, HASH, DYNAMIC, NOTE, DYNSYM, SYMTAB_SHNDX,
# RELR, GNU, Sun, ARM
_SECTION_TYPES: Final = (
    0,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    11,
    14,
    18,
    19,
    0x6FFFFFF6,
    0x6FFFFFFC,
    0x6FFFFFFD,
    0x6FFFFFFE,
)
_OPCODES: Final = (
    0x18,
    0x85,
    0x95,
    0x05,
    0x61,
    0x62,
    0x63,
    0x79,
    0x7B,
    0xB7,
    0xB4,
    0xBF,
    0xDB,
    0x00,
    0xFF,
)


def number(rng: Random, size: int, old: int = 0) -> int:
    """Return a value for an unsigned field of ``size`` bytes that was ``old``."""
    top = 1 << 8 * size
    match rng.randrange(6):
        case 0:
            value = rng.choice((0, 1, 2, 3, 7, 8, 16, 24, 255))
        case 1:
            value = rng.choice(
                (top - 1, top - 2, top - 8, top >> 1, (top >> 1) - 1, top >> 4, top >> 8)
            )
        case 2:
            value = old + rng.choice((-64, -24, -16, -8, -4, -1, 1, 4, 8, 16, 24, 64))
        case 3:
            value = old ^ 1 << rng.randrange(8 * size)
        case 4:
            value = old * rng.choice((2, 3, 8, 1000)) // rng.choice((1, 2, 3))
        case _:
            value = rng.randrange(min(top, 1 << rng.randrange(1, 8 * size + 1)))
    return value % top


class Object:
    """An ELF file in hand: its bytes, and the headers of its sections as they stand in it."""

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self._table = int.from_bytes(data[40:48], "little")
        self.count = int.from_bytes(data[60:62], "little")
        names = self.header(int.from_bytes(data[62:64], "little"))
        headers = [self.header(index) for index in range(self.count)]
        self.names = [
            data[names[_OFFSET] + header[0] :].partition(b"\0")[0].decode() for header in headers
        ]
        self.kinds = [header[_TYPE] for header in headers]
        self.code = [
            at for at, header in enumerate(headers) if header[_FLAGS] & _EXECINSTR and header[_SIZE]
        ]

    def header(self, index: int) -> list[int]:
        """Return the words of a section's header."""
        return list(SHDR.unpack_from(self.data, self._table + index * SHDR.size))

    def header_at(self, index: int) -> int:
        """Return where a section's header begins."""
        return self._table + index * SHDR.size

    def set_header(self, index: int, word: int, value: int) -> None:
        """Replace one word of a section's header."""
        header = self.header(index)
        header[word] = value % (1 << 8 * SHDR_SIZES[word])
        SHDR.pack_into(self.data, self.header_at(index), *header)

    def content(self, index: int) -> bytes:
        """Return a section's bytes."""
        header = self.header(index)
        if header[_TYPE] == NOBITS:
            return b""
        return bytes(self.data[header[_OFFSET] : header[_OFFSET] + header[_SIZE]])

    def replace(self, index: int, content: bytes) -> None:
        """Give a section other bytes."""
        header = self.header(index)
        at = header[_OFFSET]
        if len(content) > header[_SIZE]:
            self.data += bytes(-len(self.data) % 8)
            at = len(self.data)
            self.data += content
        else:
            self.data[at : at + len(content)] = content
        self.set_header(index, _OFFSET, at)
        self.set_header(index, _SIZE, len(content))

    def of(self, name: str) -> int | None:
        """Return the index of the section of that name."""
        return self.names.index(name) if name in self.names else None

    def change(self, rng: Random, at: int, size: int) -> None:
        """Give the field of ``size`` bytes at ``at`` another value."""
        old = int.from_bytes(self.data[at : at + size], "little")
        self.data[at : at + size] = number(rng, size, old).to_bytes(size, "little")

    def change_record(self, rng: Random, index: int, sizes: Sequence[int]) -> None:
        """Change one field of one of a section's records."""
        header = self.header(index)
        records = header[_SIZE] // sum(sizes)
        if records:
            at = header[_OFFSET] + rng.randrange(records) * sum(sizes)
            field = rng.randrange(len(sizes))
            self.change(rng, at + sum(sizes[:field]), sizes[field])


def file_header(one: Object, rng: Random) -> None:
    field = rng.randrange(len(EHDR_SIZES))
    if field == 0:
        one.change(rng, rng.randrange(16), 1)
    else:
        one.change(rng, sum(EHDR_SIZES[:field]), EHDR_SIZES[field])


def section_header(one: Object, rng: Random) -> None:
    index = rng.randrange(one.count)
    word = rng.randrange(len(SHDR_SIZES))
    header = one.header(index)
    match rng.randrange(4):
        case 0:
            one.set_header(index, word, one.header(rng.randrange(one.count))[word])
        case 1 if word == _TYPE:
            one.set_header(index, word, rng.choice(_SECTION_TYPES))
        case 2 if word == _SIZE and header[_TYPE] == NOBITS:
            one.set_header(index, word, 1 << rng.randrange(10, 64))
        case _:
            one.set_header(index, word, number(rng, SHDR_SIZES[word], header[word]))


def symbol(one: Object, rng: Random) -> None:
    if SYMTAB in one.kinds:
        one.change_record(rng, one.kinds.index(SYMTAB), SYM_SIZES)


def relocation(one: Object, rng: Random) -> None:
    tables = [index for index, kind in enumerate(one.kinds) if kind == REL]
    if not tables:
        return
    table = rng.choice(tables)
    if rng.random() < 0.7:
        one.change_record(rng, table, REL_SIZES)
    else:  # one of them stands for all, or they are moved to another section
        content = one.content(table)
        at = rng.randrange(len(content) // 16) * 16 if content else 0
        one.replace(
            table, rng.choice((content * 2, content[at:], content[at : at + 16] * 9, content[::-1]))
        )


def instruction(one: Object, rng: Random) -> None:
    if not one.code:
        return
    index = rng.choice(one.code)
    at = one.header(index)[_OFFSET] + rng.randrange(one.header(index)[_SIZE] // 8 or 1) * 8
    if rng.random() < 0.4:
        one.data[at] = rng.choice(_OPCODES)
    else:
        one.change_record(rng, index, INSN_SIZES)


def btf_header(one: Object, rng: Random) -> None:
    for section in (".BTF", ".BTF.ext") if rng.random() < 0.5 else (".BTF.ext", ".BTF"):
        index = one.of(section)
        if index is not None:
            at = one.header(index)[_OFFSET]
            field = rng.randrange(10)
            one.change(
                rng,
                *((at, 2), (at + 2, 1), (at + 3, 1))[field]
                if field < 3
                else (at + 4 * (field - 2), 4),
            )
            return


def types(one: Object, rng: Random) -> None:
    index = one.of(".BTF")
    if index is None:
        return
    found = Types.parse(one.content(index))
    if found:
        change_types(found, rng)
        one.replace(index, found.data())


def records(one: Object, rng: Random) -> None:
    """Change what .BTF.ext says: sizes of records, counts, offsets, type ids, strings, kinds."""
    index = one.of(".BTF.ext")
    content = bytearray(one.content(index)) if index is not None else bytearray()
    if index is None or len(content) < 32:
        return
    start = int.from_bytes(content[4:8], "little")
    words = struct.unpack_from(f"<{(start - 8) // 4}I", content, 8)
    parts = [(words[at], words[at + 1]) for at in range(0, len(words) - 1, 2) if words[at + 1]]
    if not parts:
        return
    offset, length = parts[-1] if rng.random() < 0.6 else rng.choice(parts)  # the last is CO-RE's
    word = (
        start
        + offset
        + rng.choice((0, 4, 8, rng.randrange(0, length, 4), rng.randrange(0, length, 4)))
    )
    old = int.from_bytes(content[word : word + 4], "little")
    content[word : word + 4] = number(rng, 4, old).to_bytes(4, "little")
    one.replace(index, bytes(content))


def access(one: Object, rng: Random) -> None:
    """Give a CO-RE record another access string, type or kind."""
    index, types_at = one.of(".BTF.ext"), one.of(".BTF")
    if index is None or types_at is None:
        return
    content = bytearray(one.content(index))
    start = int.from_bytes(content[4:8], "little")
    found = Types.parse(one.content(types_at))
    if start < 32 or not found:
        return
    offset, length = struct.unpack_from("<II", content, 24)
    if length < 28:
        return
    at = start + offset + 12 + rng.randrange((length - 12) // 16 or 1) * 16
    match rng.randrange(4):
        case 0:
            struct.pack_into("<I", content, at + 4, rng.randrange(found.count + 2))
        case 1:
            struct.pack_into("<I", content, at + 12, rng.choice((*range(14), 0xFFFFFFFF)))
        case _:
            struct.pack_into("<I", content, at + 8, found.add_string(_path(rng)))
            one.replace(types_at, found.data())
    one.replace(index, bytes(content))


def _path(rng: Random) -> bytes:
    steps = rng.choice((1, 1, 2, 2, 3, 4, 8, 63, 64, 65, 5000))
    text = ":".join(
        str(rng.choice((0, 0, 0, 1, 1, 2, 3, 5, 17, 2**31 - 1, 2**31, 10**11)))
        for _ in range(steps)
    )
    return (
        text.encode()
        if rng.random() < 0.8
        else rng.choice((b"", b":", b"0:", b"-1", b"0x1", b" 0", b"0::1", name(rng)))
    )


def strings(one: Object, rng: Random) -> None:
    """Change the names of symbols and sections: lost ends, foreign bytes, one very long."""
    tables = [index for index, kind in enumerate(one.kinds) if kind == STRTAB]
    index = rng.choice(tables) if tables else 0
    content = bytearray(one.content(index))
    if not content:
        return
    match rng.randrange(4):
        case 0:
            content = content.replace(b"\0", b"a")
        case 1:
            content[rng.randrange(len(content))] = rng.choice((0, 0x1B, 0x80, 0xE2, 0xFF))
        case 2:
            content = content[: rng.randrange(len(content))]
        case _:
            content[:1] = b"x" * (1 << rng.randrange(8, 18))
    one.replace(index, bytes(content))


def section(one: Object, rng: Random) -> None:
    """Change a whole section: cut, grown, doubled, another's bytes."""
    index, other = rng.randrange(one.count), rng.randrange(one.count)
    content = one.content(index)
    at = rng.randrange(len(content)) if content else 0
    match rng.randrange(5):
        case 0:
            one.replace(index, content[:at])
        case 1:
            one.replace(index, content + bytes(rng.randrange(64)))
        case 2:
            one.replace(index, content * 2)
        case 3:
            one.replace(index, one.content(other))
        case _:
            header, another = one.header_at(index), one.header_at(other)
            mine, theirs = (
                one.data[header : header + SHDR.size],
                one.data[another : another + SHDR.size],
            )
            one.data[header : header + SHDR.size], one.data[another : another + SHDR.size] = (
                theirs,
                mine,
            )


def cut(one: Object, rng: Random) -> None:
    del one.data[rng.randrange(len(one.data)) :]


def raw(one: Object, rng: Random) -> None:
    one.data[rng.randrange(len(one.data))] ^= 1 << rng.randrange(8)


Mutator = Callable[[Object, Random], None]
MUTATORS: Final[tuple[tuple[Mutator, int], ...]] = (
    (file_header, 2),
    (section_header, 5),
    (symbol, 8),
    (relocation, 8),
    (instruction, 6),
    (btf_header, 3),
    (types, 30),
    (records, 8),
    (access, 8),
    (strings, 3),
    (section, 3),
    (cut, 1),
    (raw, 2),
)


def mutant(data: bytes, rng: Random) -> tuple[bytes, str]:
    """Return a mutant of an object, and which mutators made it."""
    one = Object(data)
    kinds, weights = zip(*MUTATORS, strict=True)
    names = []
    for mutator in rng.choices(kinds, weights, k=rng.choice((1, 1, 1, 2, 2, 3, 5))):
        try:
            mutator(one, rng)
        except (struct.error, ValueError, IndexError):
            # An earlier mutator left nothing to change there.
            continue
        names.append(mutator.__name__)
    return bytes(one.data), "+".join(names)


def target(data: bytes, rng: Random) -> bytes:
    """Return a mutant of BTF alone: types of a kernel to hold an object's against."""
    found = Types.parse(data)
    assert found
    for _ in range(rng.choice((1, 2, 4, 8))):
        change_types(found, rng)
    return found.data()
