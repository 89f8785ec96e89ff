"""The objects of libbpf-tools beside the tools that carry them, on the same workload."""

import json
import re
import signal
import socket
import struct
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Final

import pytest

from beepy.cli import opening
from beepy.source import parse
from tests.kernel.conftest import ObjectOf
from tests.kernel.test_exitsnoop import LOST, theirs
from tests.oracle import embedded
from tests.support import exits, tools
from tests.support.command import Beepy
from tests.support.exits import Exit

pytestmark = pytest.mark.kernel

RUNS: Final = 60
# struct event of opensnoop.h: ts, pid, uid, ret, flags, two callers, comm, fname
OPENED: Final = struct.Struct("<QiIiiQQ16s255s")
# struct exit_event of exitsnoop.h: start and exit time, pid, tid, ppid, sig, exit code, comm
ENDED: Final = struct.Struct("<QQIIIIi16s")
# struct event of tcplife.h: addresses, end and length in us, bytes received and sent, pid, ports,
# family, comm
LIVED: Final = struct.Struct("<16s16sQQQQIHHH16s")
EXECUTED: Final = re.compile(r"(.{16}) (\d+) +(\d+) +(-?\d+) (.*)")
OPEN_ROW: Final = re.compile(r"(\d+) +(\S.{15}) +(-?\d+) +(\d+) (.*)")
LIFE_ROW: Final = re.compile(
    r"(\d+) +(.{16}) (\S+) +(\d+) +(\S+) +(\d+) +([\d.]+) +([\d.]+) +[\d.]+"
)
OPENER: Final = """
import sys
for number in range(60):
    try:
        open(sys.argv[1] if number % 3 else f"{sys.argv[1]}-{number}").close()
    except OSError:
        pass
"""
CALLER: Final = """
import os
print(flush=True), input()
for _ in range(1000):
    os.getppid()
print(flush=True), input()
"""


@pytest.fixture
def path_of(tmp_path: Path) -> ObjectOf:
    """Write the object of a tool to a file."""
    return lambda name: tools.object_of(name, tmp_path)


def rows(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode()


def test_each_object_shows_something() -> None:
    """Or says which maps it has."""
    tools.need_installed()
    for one in embedded.installed():
        spec = parse(one.data, name=one.name, warn=False)
        assert spec.tracked or list(opening.nothing_shown([spec])), one.name
        if one.package == embedded.TOOLS:
            assert spec.tracked, one.name


@pytest.mark.usefixtures("same_pids")
def test_execsnoop(beepy: Beepy, path_of: ObjectOf) -> None:
    object_path = path_of("execsnoop")
    with (
        tools.start("execsnoop") as other,
        beepy.start("-v", "run", object_path, "-o", "json") as running,
    ):
        other.until(lambda: b"ARGS\n" in other.out)
        running.until_attached(2)
        pids = {}
        for number in range(RUNS):
            with subprocess.Popen(["/bin/echo", f"{number}"], stdout=subprocess.DEVNULL) as child:
                pids[child.pid] = number
        done = running.end()
        other.until(lambda: all(f" {pid} ".encode() in other.out for pid in pids))
        seen = other.end(signal.SIGINT)
    found = [row for row in rows(done.out) if row["pid"] in pids]
    assert {row["pid"]: row["args_count"] for row in found} == dict.fromkeys(pids, 2)
    both = [match.groups() for match in map(EXECUTED.fullmatch, seen.out.splitlines()) if match]
    expected = {
        (comm.rstrip(), int(pid), int(ppid), int(code), line.split()[0])
        for comm, pid, ppid, code, line in both
        if int(pid) in pids
    }
    assert len(expected) == RUNS
    assert {
        (row["comm"], row["pid"], row["ppid"], row["retval"], row["args"]) for row in found
    } == expected
    guess = "shown as struct event, which is a guess (the value of map 'execs')"
    assert f"warning: map 'events': {guess}: --type 'events=struct NAME' overrules it" in done.said


@pytest.mark.usefixtures("same_pids")
def test_opensnoop(beepy: Beepy, path_of: ObjectOf, tmp_path: Path) -> None:
    object_path = path_of("opensnoop")
    opened = str(tmp_path / "file")
    Path(opened).touch()
    with (
        tools.start("opensnoop") as other,
        beepy.start("-v", "run", object_path, "-o", "json") as running,
    ):
        other.until(lambda: b"PATH\n" in other.out)
        running.until_attached(4)
        with subprocess.Popen([sys.executable, "-c", OPENER, opened]) as child:
            pid = child.pid
        done = running.end()
        other.until(lambda: other.out.count(opened.encode()) >= RUNS)
        seen = other.end(signal.SIGINT)
    found: Counter[tuple[Any, ...]] = Counter()
    for row in rows(done.out):
        assert row["size"] >= OPENED.size
        _, tgid, _, result, _, _, _, comm, name = OPENED.unpack_from(bytes.fromhex(row["data"]))
        if tgid == pid and opened in text(name):
            found[tgid, text(comm), max(result, -1), max(-result, 0), text(name)] += 1
    both = [match.groups() for match in map(OPEN_ROW.fullmatch, seen.out.splitlines()) if match]
    expected = Counter(
        (int(number), comm.rstrip(), int(fd), int(error), name)
        for number, comm, fd, error, name in both
        if int(number) == pid and opened in name
    )
    assert expected.total() == RUNS
    assert found == expected


@pytest.mark.usefixtures("same_pids")
def test_exitsnoop(beepy: Beepy, path_of: ObjectOf) -> None:
    object_path = path_of("exitsnoop")
    planned = [Exit(b"plain%d" % (number % 7), code=number % 256) for number in range(300)]
    with (
        tools.start("exitsnoop") as other,
        beepy.start("-v", "run", object_path, "-o", "json") as running,
    ):
        other.until(lambda: b"EXIT_CODE\n" in other.out)
        running.until_attached()
        pids = {one.pid for one in exits.fork(planned)}
        done = running.end()

        def seen() -> list[Any]:
            return [row for row in theirs(other.out) if row[0] in pids]

        lost = [0]

        def complete() -> bool:
            lost[0] = sum(map(int, LOST.findall(other.err)))
            return len(seen()) + lost[0] >= len(pids)

        other.until(complete)
        other.end(signal.SIGINT)
    found: Counter[tuple[Any, ...]] = Counter()
    for row in rows(done.out):
        _, _, pid, _, ppid, sig, code, comm = ENDED.unpack_from(bytes.fromhex(row["data"]))
        if pid in pids:
            found[pid, ppid, code, sig, text(comm)] += 1
    expected = Counter(seen())
    assert expected
    assert expected - found == Counter()
    assert (found - expected).total() <= lost[0]


@pytest.mark.usefixtures("same_pids")
def test_syscount(beepy: Beepy, path_of: ObjectOf) -> None:
    object_path = path_of("syscount")
    with subprocess.Popen(
        [sys.executable, "-c", CALLER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin
        assert child.stdout
        child.stdout.readline()
        one_process = ["--set", f"filter_pid={child.pid}", "--interval", "1h"]
        with (
            tools.start("syscount", "-p", f"{child.pid}", "-T", "100") as other,
            beepy.start("-v", "run", object_path, "-o", "json", *one_process) as running,
        ):
            other.until(lambda: b"Ctrl+C" in other.out)
            running.until_attached(2)
            child.stdin.write("\n")
            child.stdin.flush()
            child.stdout.readline()
            done = running.end()
            seen = other.end(signal.SIGINT)
        child.communicate("\n")
    expected = sorted(int(count) for count in re.findall(r"(?m)^\S+ +(\d+)$", seen.out))
    found = {row["key"]: row["value"]["count"] for row in rows(done.out) if row["map"] == "data"}
    assert 1000 in expected
    assert sorted(found.values()) == expected


def connections(number: int) -> Counter[tuple[str, int, str, int, int, int]]:
    """Open TCP connections and close them; return their ends, with the kB sent and received."""
    ends: Counter[tuple[str, int, str, int, int, int]] = Counter()
    for request in range(number):
        with socket.create_server(("127.0.0.1", 0)) as server:
            client = socket.create_connection(server.getsockname())
            accepted, _ = server.accept()
            sent, answered = request, 3 * (request % 5)
            client.sendall(bytes(1000 * sent))
            accepted.sendall(bytes(1000 * answered))
            here, there = client.getsockname(), client.getpeername()
            for end, size in ((accepted, 1000 * sent), (client, 1000 * answered)):
                received = 0
                while received < size:
                    received += len(end.recv(size))
            client.close()
            assert not accepted.recv(1)
            accepted.close()
            ends[*here, *there, sent, answered] += 1
            ends[*there, *here, answered, sent] += 1
    return ends


def lives(out: bytes) -> list[tuple[str, str, str, int, str, int, int, int]]:
    """Return what tcplife's records say: pid, comm, addresses, bytes sent and received."""
    found = []
    for row in rows(out[: out.rfind(b"\n") + 1].decode()):
        record = bytes.fromhex(row["data"])[: LIVED.size]
        source, target, _, _, received, sent, pid, here, there, family, comm = LIVED.unpack(record)
        if family == socket.AF_INET:
            local, remote = (socket.inet_ntoa(address[:4]) for address in (source, target))
            found.append((str(pid), text(comm), local, here, remote, there, sent, received))
    return found


def test_tcplife(beepy: Beepy, path_of: ObjectOf) -> None:
    with (
        tools.start("tcplife") as other,
        beepy.start("-v", "run", path_of("tcplife"), "-o", "json") as running,
    ):
        other.until(lambda: b"MS\n" in other.out)
        running.until_attached()
        ends = connections(20)
        ports = {(end[1], end[3]) for end in ends}

        def ours() -> list[tuple[str, str, str, int, str, int, int, int]]:
            return [row for row in lives(running.out) if (row[3], row[5]) in ports]

        def theirs() -> list[tuple[str, ...]]:
            lines = other.out.decode().splitlines()
            both = [match.groups() for match in map(LIFE_ROW.match, lines) if match]
            return [row for row in both if (int(row[3]), int(row[5])) in ports]

        # the last state of a connection may be reached after its process's close()
        running.until(lambda: len(ours()) >= ends.total())
        other.until(lambda: len(theirs()) >= ends.total())
        assert running.end().code == 0
        other.end(signal.SIGINT)
    # SYN and FIN count as bytes
    assert Counter((*row[2:6], row[6] // 1000, row[7] // 1000) for row in ours()) == ends
    assert Counter(
        (*map(str, row[:6]), f"{row[6] / 1024:.2f}", f"{row[7] / 1024:.2f}") for row in ours()
    ) == Counter((pid, comm.rstrip(), *values) for pid, comm, *values in theirs())
