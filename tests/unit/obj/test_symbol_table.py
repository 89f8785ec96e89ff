"""Which function an address is in: of two tables, with sizes and without, and of no file."""

import struct

import pytest

from beepy.obj import executable, symbol_table
from beepy.obj.executable import Executable
from beepy.obj.symbol_table import SymbolTable
from tests.support import executable as w
from tests.support.executable import DATA, TEXT, Section, Symbol

START = TEXT + 0x1000


def read(*sections: Section, **how: int) -> Executable:
    return executable.read(w.write(bytes(64), bytes(8), sections, **how), "x")


@pytest.mark.parametrize("bits", [64, 32])
def test_a_function_extends_over_its_size(bits: int) -> None:
    table = [
        Symbol("second", START + 32, size=8),
        Symbol("first", START, size=16),
        Symbol("code", START + 48),
        Symbol("object", START + 16, w.OBJECT, size=16),
        Symbol("undefined", START + 20, section=0, size=4),
        Symbol("chosen", START + 60, w.IFUNC, size=2),
    ]
    names = SymbolTable(read(*w.symbols(".symtab", table, bits), bits=bits))
    assert names.is_whole
    expected = ("first", "first", "", "second", "second", "", "code", "code")
    found = {at: names.containing(START + at).decode() for at in (0, 15, 16, 32, 39, 40, 48, 59)}
    assert found == dict(zip(found, expected, strict=True))
    assert names.containing(START + 61) == b"chosen"
    assert names.containing(START - 1) == names.containing(START + 62) == b""


def test_exported_functions_count_where_others_are_stripped() -> None:
    exported = w.symbols(".dynsym", [Symbol("api", START, size=8)])
    own = w.symbols(".symtab", [Symbol("static", START + 8, size=8)])
    names = SymbolTable(read(*exported))
    assert not names.is_whole
    assert (names.containing(START), names.containing(START + 8)) == (b"api", b"")
    both = SymbolTable(read(*exported, *own))
    assert (both.containing(START), both.containing(START + 8)) == (b"", b"static")
    assert SymbolTable(read()).containing(START) == b""


def test_addresses_are_those_of_segments() -> None:
    file = read()
    assert symbol_table.address_of(file, 0x1000) == START
    assert symbol_table.address_of(file, 0x103F) == START + 63
    assert symbol_table.address_of(file, 0x1FFF) is None
    assert symbol_table.address_of(file, 0x2007) == DATA + 7


def test_a_build_id_is_read_from_its_note() -> None:
    def note(owner: bytes, kind: int, data: bytes) -> bytes:
        padded = owner.ljust(-(-len(owner) // 4) * 4, b"\0")
        return struct.pack("<III", len(owner), len(data), kind) + padded + data

    raw = note(b"GNU\0", 1, bytes(16)) + note(b"GNU\0", 3, bytes.fromhex("ab" * 20))
    assert symbol_table.build_id(read(Section(".note.gnu.build-id", w.NOTE, raw))) == "ab" * 20
    assert symbol_table.build_id(read(Section(".note.gnu.build-id", w.NOTE, raw[:20]))) == ""
    assert symbol_table.build_id(read()) == ""


def test_names_that_do_not_end_are_none() -> None:
    table, strings = w.symbols(".symtab", [Symbol("long", START, size=8)])
    endless = strings._replace(data=strings.data[:-1] + b"x" * 5000)
    names = SymbolTable(read(table, endless))
    assert names.containing(START) == b""
