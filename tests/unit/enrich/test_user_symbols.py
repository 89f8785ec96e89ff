"""Functions of processes: our own, and one whose files and mappings are written for the test."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from beepy.enrich.user_symbols import UserSymbols
from tests.support import executable as w
from tests.support.executable import TEXT, Symbol

BASE = 0x7F0000000000
PID = 7


class Process:
    """A directory like /proc, with one process that has mapped a file."""

    def __init__(self, proc: Path, path: str, *, initial: bool = True) -> None:
        self.proc = proc
        self.folder = proc / str(PID)
        (self.folder / "map_files").mkdir(parents=True)
        (proc / "self" / "ns").mkdir(parents=True)
        if initial:  # only the number of its inode counts, which a file cannot choose
            (proc / "self" / "ns" / "pid").symlink_to("/proc/self/ns/pid")
        self.maps = [
            f"{BASE:x}-{BASE + 0x1000:x} r--p 00000000 fe:00 17    {path}",
            f"{BASE + 0x1000:x}-{BASE + 0x2000:x} r-xp 00001000 fe:00 17    {path}",
            f"{BASE + 0x9000:x}-{BASE + 0xA000:x} r-xp 00000000 00:00 0 ",
            f"{BASE + 0xB000:x}-{BASE + 0xC000:x} r-xp 00000000 00:00 0     [vdso]",
        ]
        self.write()

    def write(self) -> None:
        text = "\n".join(self.maps) + "\n"
        (self.folder / "maps").write_bytes(text.encode("utf-8", "surrogateescape"))

    def map(self, target: Path) -> None:
        link = self.folder / "map_files" / f"{BASE + 0x1000:x}-{BASE + 0x2000:x}"
        link.symlink_to(target)


@pytest.fixture(autouse=True)
def _initial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the PID namespace of the tests is, it counts as the first."""
    inode = Path("/proc/self/ns/pid").stat().st_ino
    monkeypatch.setattr("beepy.host.pids.INITIAL", inode)


@pytest.fixture
def library(tmp_path: Path) -> Path:
    path = tmp_path / "libx.so"
    table = w.symbols(".symtab", [Symbol("first", TEXT + 0x1000, size=16)])
    path.write_bytes(w.write(bytes(64), bytes(8), table))
    return path


def test_functions_of_a_mapped_file(tmp_path: Path, library: Path) -> None:
    process = Process(tmp_path / "proc", "/usr/lib/libx.so (deleted)")
    process.map(library)
    symbols = UserSymbols(str(process.proc))
    code = BASE + 0x1000
    found = {at: symbols.frame(PID, code + at) for at in (0, 5, 16, 0x800)}
    assert found == {
        0: "first",
        5: "first+0x5",
        16: f"libx.so+{TEXT + 0x1010:#x}",  # an address in the file
        0x800: "libx.so+0x1800",  # not code of a segment: an offset in the file
    }


def test_other_addresses(tmp_path: Path, library: Path) -> None:
    process = Process(tmp_path / "proc", "/usr/lib/libx.so")
    process.map(library)
    symbols = UserSymbols(str(process.proc))
    assert symbols.frame(PID, BASE) == hex(BASE)  # not mapped to be executed
    assert symbols.frame(PID, BASE + 0x9010) == hex(BASE + 0x9010)  # of no file
    assert symbols.frame(PID, BASE + 0xB010) == "[vdso]+0x10"
    assert symbols.frame(PID, 5) == symbols.frame(PID + 1, 5) == symbols.frame(0, 5) == "0x5"


def test_a_file_that_is_not_one_of_code(tmp_path: Path) -> None:
    process = Process(tmp_path / "proc", "/tmp/a\x1b[2J\udcff")
    os.mkfifo(tmp_path / "pipe")
    process.map(tmp_path / "pipe")
    assert UserSymbols(str(process.proc)).frame(PID, BASE + 0x1010) == "a\x1b[2J\\xff+0x1010"
    process.folder.joinpath("map_files").rename(tmp_path / "gone")  # without CAP_SYS_ADMIN
    assert UserSymbols(str(process.proc)).frame(PID, BASE + 0x1010) == "a\x1b[2J\\xff+0x1010"


def test_mappings_are_read_again(tmp_path: Path, library: Path) -> None:
    now = [0.0]
    process = Process(tmp_path / "proc", "/usr/lib/libx.so")
    process.map(library)
    symbols = UserSymbols(str(process.proc), lambda: now[0])
    assert symbols.frame(PID, BASE + 0x1000) == "first"
    process.maps[3] = process.maps[3].replace("[vdso]", "/x/other")
    process.write()
    assert symbols.frame(PID, BASE + 0xB000) == "[vdso]+0x0"
    now[0] = 2
    assert symbols.frame(PID, BASE + 0xB000) == "other+0x0"
    (process.folder / "maps").unlink()
    now[0] = 5
    assert symbols.frame(PID, BASE + 0x1000) == "first"  # it has just ended
    now[0] = 20
    assert symbols.frame(PID, BASE + 0x1000) == hex(BASE + 0x1000)


def test_files_are_forgotten(
    tmp_path: Path, library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process(tmp_path / "proc", "/usr/lib/libx.so")
    process.map(library)
    symbols = UserSymbols(str(process.proc))
    for most in ("_MAX_FILES", "_MAX_FUNCTIONS"):
        monkeypatch.setattr(f"beepy.enrich.user_symbols.{most}", 1)
        assert symbols.frame(PID, BASE + 0x1000) == "first"
        assert symbols.frame(PID, BASE + 0xB000) == "[vdso]+0x0"
        assert len(symbols._files) == 1


def test_another_pid_namespace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    process = Process(tmp_path / "proc", "/x")
    monkeypatch.setattr("beepy.host.pids.INITIAL", 1)
    assert UserSymbols(str(process.proc)).frame(PID, BASE + 0xB000) == hex(BASE + 0xB000)


CODE = """
import ctypes, sys
print(ctypes.cast(ctypes.CDLL(None).getppid, ctypes.c_void_p).value, flush=True)
sys.stdin.read()
"""


def test_a_process() -> None:
    if os.geteuid():
        pytest.skip("needs root")
    assert ctypes.CDLL(None).getppid
    command = [sys.executable, "-c", CODE]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdin
        assert child.stdout
        address = int(child.stdout.readline())
        frame = UserSymbols().frame(child.pid, address + 1)
        child.stdin.close()
    assert frame == "getppid+0x1"


def stripped(*symbols: Symbol, identity: bytes) -> bytes:
    note = b"\4\0\0\0\x14\0\0\0\3\0\0\0GNU\0" + identity
    sections = [*w.symbols(".dynsym", symbols), w.Section(".note.gnu.build-id", w.NOTE, note)]
    return w.write(bytes(64), bytes(8), sections)


def test_functions_that_a_file_lacks_are_found_by_its_build_id(tmp_path: Path) -> None:
    identity = bytes(range(20))
    library = tmp_path / "libx.so"
    exported = Symbol("exported", TEXT + 0x1000, size=4)
    library.write_bytes(stripped(exported, identity=identity))
    table = [Symbol("alias", TEXT + 0x1000, size=4), Symbol("static", TEXT + 0x1008, size=8)]
    apart = tmp_path / "debug" / "00" / f"{identity.hex()[2:]}.debug"
    apart.parent.mkdir(parents=True)
    apart.write_bytes(w.write(bytes(64), bytes(8), w.symbols(".symtab", table)))
    process = Process(tmp_path / "proc", "/usr/lib/libx.so")
    process.map(library)
    code = BASE + 0x1000
    symbols = UserSymbols(str(process.proc), debug=str(tmp_path / "debug"))
    assert [symbols.function(PID, code + at) for at in (0, 9, 0x20)] == [
        "exported",
        "static",
        f"libx.so+{TEXT + 0x1020:#x}",
    ]
    assert UserSymbols(str(process.proc)).function(PID, code + 9) == f"libx.so+{TEXT + 0x1009:#x}"
    assert symbols.function(PID, 5) == ""


def test_without_the_link_a_file_is_read_in_the_root_of_its_process(
    tmp_path: Path, library: Path
) -> None:
    process = Process(tmp_path / "proc", "/lib/libx.so")
    path = process.folder / "root/lib/libx.so"
    path.parent.mkdir(parents=True)
    path.write_bytes(library.read_bytes())
    assert UserSymbols(str(process.proc)).function(PID, BASE + 0x1000) == "libx.so+0x1000"
    process.maps = [line.replace(" 17 ", f" {path.stat().st_ino} ") for line in process.maps]
    process.write()
    assert UserSymbols(str(process.proc)).function(PID, BASE + 0x1004) == "first"
