"""Executables: segments, symbols of two tables with versions, USDT notes; and what is not one."""

import os
import stat
import struct
import subprocess
from pathlib import Path

import pytest

from beepy.errors import ElfError
from beepy.file_bytes import FileBytes
from beepy.obj import executable
from beepy.obj.executable import Executable, Probe
from tests.support import executable as w
from tests.support.executable import DATA, TEXT, Section, Symbol

START = TEXT + 0x1000


def read(*sections: Section, **how: int) -> Executable:
    return executable.read(w.write(bytes(64), bytes(8), sections, **how), "x")


def test_addresses_become_offsets() -> None:
    file = read()
    assert (file.machine, file.bits, file.fixed) == ("EM_X86_64", 64, True)
    assert executable.file_offset(file, START) == 0x1000
    assert executable.file_offset(file, START + 63) == 0x103F
    assert executable.file_offset(file, START + 64) is None
    assert executable.file_offset(file, DATA + 7) == 0x2007
    assert executable.file_offset(file, 0) is None
    assert not read(kind=w.DYN).fixed


@pytest.mark.parametrize("bits", [64, 32])
def test_functions(bits: int) -> None:
    table = [
        Symbol("object", DATA, w.OBJECT),
        Symbol("undefined", START, section=0),
        Symbol("zero", 0),
        Symbol("first", START + 1),
        Symbol("local", START + 2, bind=w.LOCAL),
    ]
    file = read(*w.symbols(".symtab", table, bits), bits=bits)
    assert executable.function(file, "first") == START + 1
    assert executable.function(file, "local") == START + 2
    for name in ("object", "undefined", "zero", "firs", "first2", "irst", ""):
        with pytest.raises(ElfError, match=f"^x: {name}: no function of that name$"):
            executable.function(file, name)
    assert [one.name for one in executable.functions(file, "SHT_SYMTAB")] == [b"first", b"local"]
    assert executable.variable(file, "object") == DATA
    assert executable.variable(file, "first") is None


def test_versions() -> None:
    """f@V1 (old, hidden), f@@V2 (the default), g without a version."""
    table = [Symbol("f", START + 1), Symbol("f", START + 2), Symbol("g", START + 3)]
    file = read(*w.symbols(".dynsym", table), *w.versions([0x8002, 3, 1], ["base", "V1", "V2"]))
    assert executable.function(file, "f") == START + 2
    assert executable.function(file, "f@V1") == START + 1
    assert executable.function(file, "f@@V2") == START + 2
    assert executable.function(file, "f@V2") == START + 2
    assert executable.function(file, "g") == START + 3
    with pytest.raises(
        ElfError, match="f@V3: no such dynamic symbol, and other symbols are stripped"
    ):
        executable.function(file, "f@V3")


def test_versions_in_the_names_of_the_static_table() -> None:
    table = [Symbol("f@V1", START + 1), Symbol("f@@V2", START + 2)]
    file = read(*w.symbols(".symtab", table))
    assert executable.function(file, "f") == START + 2
    assert executable.function(file, "f@V1") == START + 1
    assert executable.function(file, "f@@V2") == START + 2


def test_the_dynamic_table_comes_first() -> None:
    file = read(
        *w.symbols(".symtab", [Symbol("f", START + 1)]),
        *w.symbols(".dynsym", [Symbol("f", START + 2)]),
    )
    assert executable.function(file, "f") == START + 2


@pytest.mark.parametrize(
    ("binds", "expected"),
    [
        ((w.WEAK, w.GLOBAL), 1),
        ((w.GLOBAL, w.WEAK), 0),
        ((w.WEAK, w.WEAK), 0),
        ((w.WEAK, w.LOCAL), 1),
    ],
)
def test_a_weak_symbol_yields(binds: tuple[int, int], expected: int) -> None:
    table = [Symbol("f", START + number, bind=bind) for number, bind in enumerate(binds)]
    assert executable.function(read(*w.symbols(".symtab", table)), "f") == START + expected


def test_several_functions_of_one_name() -> None:
    table = [
        Symbol("f", START + 1),
        Symbol("f", START + 2, bind=w.LOCAL),
        Symbol("g", START),
        Symbol("g", START),
    ]
    file = read(*w.symbols(".symtab", table))
    with pytest.raises(ElfError, match=r"^x: f: several functions of that name$"):
        executable.function(file, "f")
    assert executable.function(file, "g") == START


def test_an_indirect_function() -> None:
    file = read(*w.symbols(".symtab", [Symbol("f", START, w.IFUNC)]))
    with pytest.raises(ElfError, match=r"^x: f: an indirect function \(IFUNC\)"):
        executable.function(file, "f")


def test_probes() -> None:
    notes = w.note("ours", "one", START, "8@%rax", semaphore=DATA) + w.note(
        "ours", "two", START + 5
    )
    file = read(
        Section(
            ".note.stapsdt",
            w.NOTE,
            struct_note(b"other\0\0\0", 3) + struct_note(b"stapsdt\0", 1) + notes,
        )
    )
    assert list(executable.probes(file)) == [
        Probe("ours", "one", START, DATA, "8@%rax"),
        Probe("ours", "two", START + 5, 0, ""),
    ]


def struct_note(owner: bytes, kind: int) -> bytes:
    return (
        b"".join([number.to_bytes(4, "little") for number in (len(owner), 5, kind)])
        + owner
        + b"12345\0\0\0"
    )


def test_probes_that_prelink_moved() -> None:
    notes = w.note("ours", "one", START, "", semaphore=DATA, base=0x1000) + w.note(
        "ours", "two", START, base=0x1000
    )
    file = read(
        Section(".note.stapsdt", w.NOTE, notes),
        Section(".stapsdt.base", w.PROGBITS, b"\0", address=0x1000 + 16),
    )
    assert [(one.address, one.semaphore) for one in executable.probes(file)] == [
        (START + 16, DATA + 16),
        (START + 16, 0),
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an ELF file"),
        (b"#!/bin/sh\n", "not an ELF file"),
        (b"\x7fELF", "malformed ELF"),
        (b"\x7fELF\x02\x01\x01" + bytes(60), "ELF"),
        (w.write(b"")[:0x1100], "malformed ELF"),
        (w.write(b"", kind=1), "expected an executable or a shared library"),
    ],
)
def test_what_is_not_one(data: bytes, message: str) -> None:
    with pytest.raises(ElfError, match=f"^x: .*{message}"):
        executable.read(data, "x")


@pytest.mark.parametrize("cut", [20, 27, 40])
def test_a_note_that_is_cut(cut: int) -> None:
    desc = w.note("ours", "one", START)[20:cut]
    data = (
        b"".join([number.to_bytes(4, "little") for number in (8, len(desc), 3)])
        + b"stapsdt\0"
        + desc
    )
    with pytest.raises(ElfError, match=r"\.note\.stapsdt: "):
        list(executable.probes(read(Section(".note.stapsdt", w.NOTE, data))))


def test_names_that_share_bytes() -> None:
    """Linkers put one name at the end of another; a table of one long name makes none of them."""
    strings = Section(".strtab", w.STRTAB, b"\0" + b"a" * 1000 + b"\0")
    symbols = b"".join([struct.pack("<IBBHQQ", 1 + at, 2, 0, 1, START, 8) for at in range(30)])
    file = read(Section(".symtab", w.SYMTAB, symbols, link=".strtab"), strings)
    with pytest.raises(ElfError, match=r"^x: ELF: overlapping names of symbols$"):
        list(executable.functions(file, "SHT_SYMTAB"))


def test_a_name_without_an_end_is_none() -> None:
    strings = Section(".strtab", w.STRTAB, b"\0first\0second")
    symbols = b"".join([struct.pack("<IBBHQQ", at, 2, 0, 1, START, 8) for at in (1, 7, 99)])
    file = read(Section(".symtab", w.SYMTAB, symbols, link=".strtab"), strings)
    assert [one.name for one in executable.functions(file, "SHT_SYMTAB")] == [b"first"]


def test_versions_of_long_names_have_none() -> None:
    table = [Symbol("f", START + 1), Symbol("g", START + 2)]
    file = read(*w.symbols(".dynsym", table), *w.versions([3, 2], ["base", "V1", "v" * 300]))
    assert [one.version for one in executable.functions(file, "SHT_DYNSYM")] == [b"", b"V1"]


def test_names_of_sections_are_bounded() -> None:
    with pytest.raises(ElfError, match=r"^x: ELF: names of sections of more than 1048576 bytes$"):
        read(*[Section(f"{at}" + "s" * 20_000, w.PROGBITS, b"") for at in range(60)])


def test_a_note_that_is_too_long() -> None:
    note = w.note("ours", "one", START, "8@%rax" * 20_000)
    file = read(Section(".note.stapsdt", w.NOTE, note))
    with pytest.raises(ElfError, match=r"^x: \.note\.stapsdt: a note of 1\d{5} bytes$"):
        list(executable.probes(file))


def test_a_section_that_is_too_large() -> None:
    file = read(*w.symbols(".symtab", [Symbol("f", START)]))
    large = tuple([section._replace(size=1 << 30) for section in file.sections])
    with pytest.raises(ElfError, match=r"section .*: 1073741824 bytes, at most 536870912 are read"):
        executable.function(file._replace(sections=large), "f")


def test_a_file_that_is_cut_short_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(w.passes("x86_64"))
    with path.open("rb") as file:
        found = executable.read(FileBytes(file.fileno()), "x")
        assert executable.function(found, "main") == START
        os.truncate(path, 64)  # whoever reads a mapping of it is killed now
        with pytest.raises(ElfError, match="x: main: no function of that name"):
            executable.function(found, "main")


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_small_program(machine: str, tmp_path: Path) -> None:
    file = executable.read(w.passes(machine), "x")
    (probe,) = executable.probes(file)
    assert executable.function(file, "probe") == probe.address
    if os.uname().machine == machine:
        path = tmp_path / "x"
        path.write_bytes(w.passes(machine))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        assert subprocess.run([path], check=False).returncode == 0
