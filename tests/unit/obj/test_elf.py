import struct
import sys
from pathlib import Path

import pytest

from beepy.errors import ElfError
from beepy.obj import elf, insn
from beepy.obj.elf import Relocation, Symbol
from beepy.obj.insn import Insn
from tests.support.elf import (
    ABSOLUTE,
    ALLOC,
    COMPRESSED,
    EXEC,
    GLOBAL,
    HIDDEN,
    NULL,
    OBJECT,
    R_64_32,
    R_64_64,
    REL,
    RELA,
    SECTION,
    STRTAB,
    SYMTAB,
    WEAK,
    ElfWriter,
)
from tests.support.refusal import refused

EXIT = Insn(insn.EXIT)
SEC = "tracepoint/a/b"


@pytest.fixture
def w() -> ElfWriter:
    writer = ElfWriter()
    writer.function("prog", SEC, [Insn(insn.CALL, imm=1), EXIT])
    return writer


def test_sections(w: ElfWriter) -> None:
    w.section("license", b"GPL\0")
    w.bss(100)
    w.section(".debug_info", b"123", flags=0)
    found = elf.read(w.data(), "object").sections
    assert [
        (one.name, one.executable, one.nobits, one.size, bytes(one.data)) for one in found[:5]
    ] == [
        ("", False, True, 0, b""),
        (SEC, True, False, 16, insn.encode((Insn(insn.CALL, imm=1), EXIT))),
        ("license", False, False, 4, b"GPL\0"),
        (".bss", False, True, 100, b""),
        (".debug_info", False, False, 3, b""),
    ]
    assert [one.number for one in found] == list(range(7))


def test_symbols(w: ElfWriter) -> None:
    w.symbol("x", ".data", 8, 4, type=OBJECT)
    w.section(".data", bytes(16))
    w.symbol("weak", bind=WEAK, visibility=HIDDEN)
    w.symbol("source.c", ABSOLUTE)
    found = elf.read(w.data(), "object").symbols
    assert found == (
        Symbol("", 0, 0, "STB_LOCAL", "STT_NOTYPE", "STV_DEFAULT", 0),
        Symbol("prog", 0, 16, "STB_GLOBAL", "STT_FUNC", "STV_DEFAULT", 1),
        Symbol("x", 8, 4, "STB_GLOBAL", "STT_OBJECT", "STV_DEFAULT", 2),
        Symbol("weak", 0, 0, "STB_WEAK", "STT_NOTYPE", "STV_HIDDEN", 0),
        Symbol("source.c", 0, 0, "STB_GLOBAL", "STT_NOTYPE", "STV_DEFAULT", -1),
    )


def test_relocations_are_sorted(w: ElfWriter) -> None:
    helper = w.symbol("helper")
    w.relocate(SEC, 8, helper, R_64_64)
    w.relocate(SEC, 0, 1, R_64_32)
    w.relocate(".debug_info", 0, 1)
    w.section(".debug_info", bytes(8), flags=0)
    w.relocate("license", 0, 1)
    w.section("license", bytes(8))
    found = elf.read(w.data(), "object")
    assert found.relocations == {
        1: (Relocation(0, R_64_32, found.symbols[1]), Relocation(8, R_64_64, found.symbols[2]))
    }


def test_two_sections_of_relocations_for_one(w: ElfWriter) -> None:
    w.relocate(SEC, 8, 1)
    one = w.section(".rel_again", struct.pack("<QQ", 0, 1 << 32 | R_64_64), type=REL, flags=0)
    one.info, one.entsize = ["", *w.sections].index(SEC), 16
    assert [each.offset for each in elf.read(w.data(), "object").relocations[one.info]] == [0, 8]


def test_map_sections_are_relocated(w: ElfWriter) -> None:
    w.section(".maps", bytes(8))
    w.relocate(".maps", 0, 1)
    assert list(elf.read(w.data(), "object").relocations) == [2]


def test_no_symbols(w: ElfWriter) -> None:
    w.symbols.clear()
    assert elf.read(w.data(), "object").symbols == ()


@pytest.mark.parametrize("data", [b"", b"\x7fEL", b"not an object"])
def test_no_elf(data: bytes) -> None:
    with refused(ElfError, "object: not an ELF file"):
        elf.read(data, "object")


def test_too_large() -> None:
    with refused(ElfError, f"object: {elf.MAX_FILE + 1} bytes, at most {elf.MAX_FILE} are taken"):
        elf.read(bytes(elf.MAX_FILE + 1), "object")


@pytest.mark.parametrize(
    ("ident", "message"),
    [
        (
            b"\x7fELF\1\1\1",
            "object: ELF: expected 64 bits, little endian, got 32 bits, little endian",
        ),
        (b"\x7fELF\2\2\1", "object: ELF: expected 64 bits, little endian, got 64 bits, big endian"),
        (
            b"\x7fELF\3\1\1",
            "object: ELF: expected 64 bits, little endian, got an unknown class or byte order",
        ),
    ],
)
def test_other_class(w: ElfWriter, ident: bytes, message: str) -> None:
    w.ident = ident
    with refused(ElfError, message):
        elf.read(w.data(), "object")


def test_other_machine(w: ElfWriter) -> None:
    w.machine = 62
    message = (
        "object: ELF: expected a BPF object (ET_REL for EM_BPF), "
        "got an object (ET_REL) for EM_X86_64"
    )
    with refused(ElfError, message) as caught:
        elf.read(w.data(), "object")
    assert caught.value.__notes__ == [
        "clang -target bpfel -g -O2 -c NAME.bpf.c -o NAME.bpf.o makes a BPF object"
    ]


def test_this_python() -> None:
    with pytest.raises(ElfError, match=r"got an executable.* \(ET_(EXEC|DYN)\) for EM_"):
        elf.read(Path(sys.executable).read_bytes()[:4096], "object")


def test_other_type(w: ElfWriter) -> None:
    w.type = 3
    got = "an executable or a library (ET_DYN) for EM_BPF"
    with refused(ElfError, f"object: ELF: expected a BPF object (ET_REL for EM_BPF), got {got}"):
        elf.read(w.data(), "object")


def test_too_many_sections(w: ElfWriter) -> None:
    data = bytearray(w.data())
    data[60:62] = (20_000).to_bytes(2, "little")
    with refused(ElfError, "object: ELF: 20000 sections, at most 16384 are taken"):
        elf.read(bytes(data), "object")


def test_small_section_headers(w: ElfWriter) -> None:
    data = bytearray(w.data())
    data[58:60] = (56).to_bytes(2, "little")
    with refused(ElfError, "object: ELF: section headers of 56 bytes"):
        elf.read(bytes(data), "object")


def test_a_file_that_is_cut_short(w: ElfWriter) -> None:
    data = w.data()[:-1]
    with refused(ElfError, f"object: malformed ELF: headers exceed the file's {len(data)} bytes"):
        elf.read(data, "object")


def test_numbers_that_the_header_has_no_room_for(w: ElfWriter) -> None:
    """The first section header has the number of sections, and the index of their names."""
    whole = w.data()
    data = bytearray(whole)
    first = int.from_bytes(data[40:48], "little")
    data[first + 32 : first + 34], data[first + 40 : first + 42] = data[60:62], data[62:64]
    data[60:64] = b"\0\0\xff\xff"
    assert elf.read(bytes(data), "object").sections[1:] == elf.read(whole, "object").sections[1:]


def test_names_in_no_table_of_strings(w: ElfWriter) -> None:
    data = bytearray(w.data())
    data[62:64] = (1).to_bytes(2, "little")
    with refused(ElfError, "object: section 1: not a string table"):
        elf.read(bytes(data), "object")


def test_a_name_without_an_end(w: ElfWriter) -> None:
    data = bytearray(w.data())
    first, table = int.from_bytes(data[40:48], "little"), int.from_bytes(data[62:64], "little")
    data[first + 64 * table + 32 : first + 64 * table + 40] = bytes(8)
    with refused(ElfError, "object: ELF: string 0: exceeds its table of 0 bytes"):
        elf.read(bytes(data), "object")


def test_a_section_beyond_the_end(w: ElfWriter) -> None:
    w.section("license", b"GPL\0").size = 1 << 40
    size = len(w.data())
    with refused(
        ElfError, f"object: section license: {1 << 40} bytes at 80 exceed the file's {size}"
    ):
        elf.read(w.data(), "object")


def test_sections_that_share_bytes(w: ElfWriter) -> None:
    """Many that are the whole file would make much of little."""
    for at in range(8):
        w.section(f"s{at}", bytes(200 * (at == 0))).size = 200
    with refused(ElfError, "object: section 7: overlapping sections"):
        elf.read(w.data(), "object")


def test_compressed(w: ElfWriter) -> None:
    w.section(".BTF", bytes(32), flags=COMPRESSED)
    with refused(ElfError, "object: section .BTF: compressed"):
        elf.read(w.data(), "object")


def test_two_symbol_tables(w: ElfWriter) -> None:
    w.section(".strtab2", b"\0", type=STRTAB)
    second = w.section(".symtab2", bytes(24), type=SYMTAB)
    second.link, second.entsize = 2, 24
    with refused(ElfError, "object: ELF: 2 symbol tables, at most one is allowed"):
        elf.read(w.data(), "object")


def test_too_many_symbols(w: ElfWriter) -> None:
    w.symbols *= 40_000
    with refused(ElfError, "object: symbol table: 80000 symbols, at most 65536 are taken"):
        elf.read(w.data(), "object")


def test_too_many_relocations(w: ElfWriter) -> None:
    w.relocations[SEC] = [(0, 1, R_64_64)] * 200_000
    w.relocations[".text"] = [(0, 1, R_64_64)] * 100_000
    w.section(".text", bytes(8), flags=ALLOC | EXEC)
    with refused(
        ElfError,
        "object: section .rel.text: 100000 relocations: at most 262144 of all sections are taken",
    ):
        elf.read(w.data(), "object")


def test_symbols_of_another_size(w: ElfWriter) -> None:
    w.symbols.clear()
    w.section(".strtab2", b"\0", type=STRTAB)
    table = w.section(".symtab", bytes(48), type=SYMTAB)
    table.link, table.entsize = 2, 48
    with refused(ElfError, "object: symbol table: entries of 48 bytes, expected 24"):
        elf.read(w.data(), "object")


def test_relocations_of_what_is_not_there(w: ElfWriter) -> None:
    patches = w.section(".rel", bytes(16), type=9, flags=0)
    patches.info, patches.entsize = 99, 16
    with refused(ElfError, "object: section .rel: relocates section 99 of 5"):
        elf.read(w.data(), "object")


def test_relocations_with_addends(w: ElfWriter) -> None:
    patches = w.section(".rela", bytes(24), type=RELA, flags=0)
    patches.info, patches.entsize = 1, 24
    with refused(ElfError, "object: section .rela: expected SHT_REL with entries of 16 bytes"):
        elf.read(w.data(), "object")


def test_relocation_against_no_symbol(w: ElfWriter) -> None:
    w.relocate(SEC, 0, 7)
    with refused(ElfError, f"object: section .rel{SEC}: relocation 0: symbol 7 of 2"):
        elf.read(w.data(), "object")


def test_a_cut_file_is_malformed(w: ElfWriter) -> None:
    whole = w.data()
    for length in range(len(whole)):
        with pytest.raises(ElfError):
            elf.read(whole[:length], "object")


def test_names_that_share_bytes(w: ElfWriter) -> None:
    """A long name, and hundreds of symbols and sections that are called by a part of it."""
    w.section("x" * 60_000)
    for at in range(200):
        w.symbol("x" * (60_000 - at), bind=GLOBAL, type=SECTION)
    with refused(ElfError, "object: symbol table: overlapping names"):
        elf.read(w.data(), "object")
    v = ElfWriter()
    for at in range(20):
        v.section("x" * (60_000 - at), type=NULL, flags=ALLOC | EXEC)
    with refused(ElfError, "object: section 2: overlapping names"):
        elf.read(v.data(), "object")
