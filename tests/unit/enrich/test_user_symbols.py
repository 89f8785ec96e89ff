"""Functions of processes, from a directory of files such as those of /proc."""

import os
from pathlib import Path

import pytest

from beepy.enrich.user_symbols import UserSymbols
from beepy.events.batch import Frame
from tests.support import executable as w
from tests.support.executable import TEXT, Section, Symbol

LOADED = 0x7F0000000000
"""Where the page of the file at 0x1000 is in memory."""


def library(*symbols: Symbol, exported: bool = False, build_id: bytes = b"") -> bytes:
    table = ".dynsym" if exported else ".symtab"
    note = b"\4\0\0\0\x14\0\0\0\3\0\0\0GNU\0" + build_id
    notes = [Section(".note.gnu.build-id", w.NOTE, note)] if build_id else []
    return w.write(bytes(64), bytes(8), [*w.symbols(table, symbols), *notes])


class Machine:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds = 100.0
        self.symbols = UserSymbols(str(path / "proc"), str(path / "debug"), lambda: self.seconds)

    def process(self, pid: int, content: bytes, name: str = "/lib/lib.so", began: int = 5) -> None:
        proc = self.path / "proc" / str(pid)
        file = proc / f"root{name}"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        self.maps(pid, name, file.stat().st_ino, began)

    def maps(self, pid: int, name: str, inode: int, began: int = 5, at: int = LOADED) -> None:
        proc = self.path / "proc" / str(pid)
        fields = ["S", *["0"] * 18, str(began)]
        (proc / "stat").write_text(f"{pid} (a) b) {' '.join(fields)}\n")
        (proc / "maps").write_text(
            f"{at - 0x1000:x}-{at:x} r--p 00000000 00:00 {inode} {name}\n"
            f"{at:x}-{at + 0x1000:x} r-xp 00001000 00:00 {inode} {name}\n"
            f"{at + 0x2000:x}-{at + 0x3000:x} r-xp 00000000 00:00 0 [vdso]\n"
            f"{at + 0x4000:x}-{at + 0x5000:x} r-xp 00000000 00:00 0 \n"
            "malformed\n"
        )

    def function(self, pid: int, address: int) -> str:
        return self.symbols.function(Frame(pid, address))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_function_of_a_file_that_is_mapped(machine: Machine) -> None:
    machine.process(42, library(Symbol("work", TEXT + 0x1010, size=16)))
    assert machine.function(42, LOADED + 0x10) == "work"
    assert machine.function(42, LOADED + 0x1F) == "work"
    assert machine.function(42, LOADED + 0x20) == "lib.so+0x1020"
    assert machine.function(42, LOADED + 0x2010) == "[vdso]"
    assert machine.function(42, LOADED + 0x4010) == ""  # memory without a file
    assert machine.function(42, LOADED - 0x10) == ""  # no code
    assert machine.function(42, 0) == ""
    assert machine.function(43, LOADED) == ""


def test_symbols_apart_are_found_by_the_build_id(machine: Machine) -> None:
    identity = bytes(range(20))
    exported = Symbol("api", TEXT + 0x1000, size=4)
    machine.process(42, library(exported, exported=True, build_id=identity))
    directory = machine.path / "debug" / identity.hex()[:2]
    directory.mkdir(parents=True)
    apart = library(Symbol("static", TEXT + 0x1008, size=8))
    (directory / f"{identity.hex()[2:]}.debug").write_bytes(apart)
    assert machine.function(42, LOADED + 8) == "static"
    machine.process(43, library(exported, exported=True))
    assert machine.function(43, LOADED) == "api"
    assert machine.function(43, LOADED + 8) == "lib.so+0x1008"


def test_another_file_of_that_name_is_not_read(machine: Machine) -> None:
    machine.process(42, library(Symbol("work", TEXT + 0x1000, size=16)))
    machine.maps(42, "/lib/lib.so", 1)
    assert machine.function(42, LOADED) == "lib.so+0x1000"
    # the file itself is among the mappings, though it was removed
    machine.process(43, library(Symbol("old", TEXT + 0x1000, size=16)))
    file = machine.path / "proc/43/root/lib/lib.so"
    held = machine.path / f"proc/43/map_files/{LOADED:x}-{LOADED + 0x1000:x}"
    held.parent.mkdir()
    inode = file.stat().st_ino
    file.rename(held)
    machine.maps(43, "/lib/lib.so (deleted)", inode)
    assert machine.function(43, LOADED) == "old"


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"text"])
def test_what_is_no_library_has_no_functions(machine: Machine, content: bytes) -> None:
    machine.process(42, content, "/a b\x1b")
    assert machine.function(42, LOADED + 4) == "a b\x1b+0x1004"


def test_pipes_are_not_opened(machine: Machine) -> None:
    machine.process(42, b"")
    file = machine.path / "proc/42/root/lib/lib.so"
    file.unlink()
    os.mkfifo(file)
    machine.maps(42, "/lib/lib.so", file.stat().st_ino)
    assert machine.function(42, LOADED) == "lib.so+0x1000"


def test_mappings_are_those_of_the_process_of_now(machine: Machine) -> None:
    machine.process(42, library(Symbol("work", TEXT + 0x1000, size=16)))
    assert machine.function(42, LOADED) == "work"
    inode = (machine.path / "proc/42/root/lib/lib.so").stat().st_ino
    later = LOADED + 0x100000
    machine.maps(42, "/lib/lib.so", inode, at=later)
    assert machine.function(42, later) == ""  # not read again so soon
    machine.seconds += 2
    assert machine.function(42, later) == "work"  # a library that was loaded since
    machine.maps(42, "/lib/lib.so", inode, began=9)
    machine.seconds += 2
    assert machine.function(42, later) == ""  # another process
    assert machine.function(42, LOADED) == "work"
    (machine.path / "proc/42/stat").unlink()
    machine.seconds += 2
    assert machine.function(42, LOADED) == "work"  # it is just gone
    machine.seconds += 20
    assert machine.function(42, LOADED) == ""
