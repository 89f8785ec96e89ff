"""Functions by their addresses: of all symbols, or of the dynamic ones."""

import pytest

from beepy.obj import executable, function_table
from beepy.obj.executable import Executable
from beepy.obj.function_table import FunctionTable, address_at
from tests.support import executable as w
from tests.support.executable import DATA, TEXT, Section, Symbol

START = TEXT + 0x1000


def read(*sections: Section) -> Executable:
    return executable.read(w.write(bytes(64), bytes(8), sections), "x")


def test_an_address_is_in_a_function() -> None:
    table = [
        Symbol("second", START + 16, size=8),
        Symbol("first", START, size=16),
        Symbol("alias", START, size=16),
        Symbol("label", START + 32),
        Symbol("object", START + 40, w.OBJECT, size=8),
    ]
    functions = FunctionTable(read(*w.symbols(".symtab", table)))
    found = {at: functions.at(START + at) for at in (-1, 0, 15, 16, 23, 24, 32, 33, 40)}
    assert found == {
        -1: None,
        0: (b"first", 0),
        15: (b"first", 15),
        16: (b"second", 0),
        23: (b"second", 7),
        24: None,
        32: (b"label", 0),
        33: None,
        40: None,
    }


def test_a_stripped_file_has_its_dynamic_functions() -> None:
    functions = FunctionTable(read(*w.symbols(".dynsym", [Symbol("f", START, size=4)])))
    assert functions.at(START + 3) == (b"f", 3)


def test_a_file_without_functions() -> None:
    assert FunctionTable(read()).at(START) is None


def test_a_malformed_table_has_none() -> None:
    """Each symbol has the same long name: together they are longer than any linker's."""
    names = [Symbol("x" * 1000, START + number, size=1) for number in range(4)]
    table, strings = w.symbols(".symtab", names)
    shared = table._replace(data=table.data[:24] + table.data[24:48] * 40)
    assert FunctionTable(read(shared, strings._replace(data=strings.data[:1002]))).at(START) is None


def test_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_table, "_MAX_NAMES", 100)
    few = w.symbols(".symtab", [Symbol("x" * 90, START, size=1)])
    assert FunctionTable(read(*few)).at(START)
    table, strings = few
    twice = table._replace(data=table.data + table.data[24:])  # a name that two have in common
    assert FunctionTable(read(twice, strings)).at(START) is None
    long = w.symbols(".symtab", [Symbol("x" * 110, START, size=1)])
    dynamic = w.symbols(".dynsym", [Symbol("f", START, size=1)])
    assert FunctionTable(read(*long, *dynamic)).at(START) == (b"f", 0)


def test_offsets_of_code_become_addresses() -> None:
    file = read()
    assert address_at(file, 0x1000) == START
    assert address_at(file, 0x1000 + 64) is None
    assert address_at(file, 0x2007) is None  # data
    assert DATA
