"""libbpf-bootstrap's examples show something: LIBBPF_BOOTSTRAP is a directory of their objects."""

import json
import os
import re
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from beepy.cli import opening
from beepy.source import parse
from tests.support.command import Beepy, Running

pytestmark = pytest.mark.kernel

OBJECTS: Final = sorted(Path(os.environ.get("LIBBPF_BOOTSTRAP", "/nosuch")).glob("*.bpf.o"))

__test__ = bool(OBJECTS)  # not collected without the objects, like the tests with a peer

# struct event of bootstrap.h: pid, ppid, exit code, duration, comm, file name, whether it ended
EVENT: Final = struct.Struct("<III4xQ16s127s?")
CHILDREN: Final = 20
SPIN: Final = "import time\nwhile time.process_time() < 0.2: pass"


class Shown(NamedTuple):
    """What ``run`` shows of an example: rows of ``map``, or only ``line`` on stderr."""

    line: str = ""
    map: str = ""
    options: tuple[str, ...] = ()


PRINTS: Final = Shown("nothing will be shown, the programs only stay attached: there are no maps")
BINARY: Final = ("uprobe_add", "uretprobe_add", "uprobe_sub", "uretprobe_sub")
SHOWN: Final = {
    "bootstrap": Shown("shown as hex", "rb"),
    "bootstrap_legacy": Shown("shown as hex", "perf_buffer"),
    "fentry": PRINTS,
    "kprobe": PRINTS,
    "ksyscall": PRINTS,
    "lsm": PRINTS,
    "minimal": Shown(map=".bss"),
    "minimal_legacy": Shown(map="my_pid_map"),
    "minimal_ns": Shown(map=".bss"),
    "profile": Shown("shown as hex", "events", ("--attach", "profile=cpu-clock:freq=99")),
    "sockfilter": Shown("shown as hex", "rb"),
    "task_iter": Shown("get_tasks", "get_tasks"),
    "tc": PRINTS._replace(options=("--iface", "lo")),
    "uprobe": PRINTS._replace(
        options=tuple(word for name in BINARY for word in ("--attach", f"{name}=libc.so.6:getenv"))
    ),
    "usdt": Shown(map=".bss"),
}
# a kernel may lack what they are attached with, and a C library setjmp's USDT probe
REFUSED: Final = {"fentry", "kprobe", "ksyscall", "lsm", "usdt"}


def name_of(path: Path) -> str:
    return path.name.removesuffix(".bpf.o")


def work() -> dict[int, bytes]:
    """Start processes and send packets; return which processes there were, by their names."""
    children = {}
    for number in range(CHILDREN):
        name = f"child{number}"
        command = ["/bin/sh", "-c", f"printf {name} >/proc/$$/comm; exit {number}"]
        with subprocess.Popen(command) as child:
            children[child.pid] = name.encode()
    subprocess.run([sys.executable, "-c", SPIN], check=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
    return children


def until_attached_or_refused(running: Running) -> None:
    running.until(lambda: bool(re.search(rb"(?m)^beepy: |Ctrl-C ends", running.err)))


def test_these_are_the_examples() -> None:
    assert {name_of(path) for path in OBJECTS} == set(SHOWN)


@pytest.mark.parametrize("path", OBJECTS, ids=name_of)
def test_it_has_something_to_show_or_says_why_not(path: Path) -> None:
    spec = parse(path.read_bytes(), name=path.name, warn=False)
    shown = SHOWN[name_of(path)]
    maps = {tracked.map for tracked in spec.tracked}
    iterators = {program.name for program in spec.programs if program.section.startswith("iter")}
    assert maps | iterators == ({shown.map} if shown.map else set())
    if not shown.map:
        assert any(shown.line in line for line in opening.nothing_shown([spec]))


@pytest.mark.parametrize("path", OBJECTS, ids=name_of)
def test_it_shows_rows_or_says_why_not(beepy: Beepy, path: Path) -> None:
    shown = SHOWN[name_of(path)]
    with beepy.start("-v", "run", str(path), "-o", "json", *shown.options) as running:
        until_attached_or_refused(running)
        if "Ctrl-C ends" not in running.err.decode():
            done = running.wait()
            assert name_of(path) in REFUSED
            assert (done.code, done.out) == (1, "")
            return
        work()
        if shown.map:
            running.until(lambda: f'{{"map": "{shown.map}", '.encode() in running.out)
        done = running.end()
    assert done.code == 0
    assert any(shown.line in line for line in done.said)
    assert {json.loads(line)["map"] for line in done.out.splitlines()} == (
        {shown.map} if shown.map else set()
    )


@pytest.mark.usefixtures("same_pids")
@pytest.mark.parametrize("name", ["bootstrap", "bootstrap_legacy"])
def test_its_bytes_are_the_events(beepy: Beepy, name: str) -> None:
    (path,) = [path for path in OBJECTS if name_of(path) == name]
    with beepy.start("-v", "run", str(path), "-o", "json") as running:
        running.until_attached(2)
        children = work()
        done = running.end()
    started: dict[int, bytes] = {}
    ended: dict[int, tuple[bytes, int]] = {}
    for row in map(json.loads, done.out.splitlines()):
        assert row["size"] >= EVENT.size
        data = bytes.fromhex(row["data"])[: EVENT.size]
        pid, ppid, code, _, comm, file, exited = EVENT.unpack(data)
        if pid in children and ppid == os.getpid():
            if exited:
                ended[pid] = comm.rstrip(b"\0"), code
            else:
                started[pid] = file.partition(b"\0")[0]
    assert started == dict.fromkeys(children, b"/bin/sh")
    assert ended == {pid: (name, int(name[5:])) for pid, name in children.items()}
