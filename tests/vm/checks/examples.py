"""The images that show what a kernel does: each shows the event that is provoked here."""

import os
import pty
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.vm.checks.check import YES, Check
from tests.vm.checks.command import Run

_HERE: Final = "127.0.0.1"
_CGROUPS: Final = Path("/sys/fs/cgroup")


@contextmanager
def _connection() -> Iterator[tuple[int, int]]:
    """Hold a TCP connection after 100 bytes and 10 back; yield the ports of client and server."""
    with (
        socket.create_server((_HERE, 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        server.accept()[0] as peer,
    ):
        client.sendall(b"x" * 100)
        assert len(peer.recv(100)) == 100
        peer.sendall(b"y" * 10)
        assert len(client.recv(10)) == 10
        yield client.getsockname()[1], server.getsockname()[1]


def _ends(row: dict[str, Any]) -> tuple[str, int, str, int]:
    return row["saddr"], row["sport"], row["daddr"], row["dport"]


def tcpconnect() -> str:
    """Show a connection that this process opens, over IPv4 and over IPv6."""
    with Run("tcpconnect", "-o", "json", "-v") as run:
        run.attached(4)
        with _connection() as (client, server):
            row = run.row(lambda row: row["sport"] == client)
        with (
            socket.create_server(("::1", 0), family=socket.AF_INET6) as listening,
            socket.create_connection(listening.getsockname()[:2]) as six,
        ):
            other = run.row(lambda row: row["sport"] == six.getsockname()[1])
    assert (row["pid"], row["uid"], *_ends(row)) == (os.getpid(), 0, _HERE, client, _HERE, server)
    assert (other["saddr"], other["daddr"]) == ("::1", "::1")
    foreign = os.uname().machine != "x86_64"
    assert (": built for x86-64: pt_regs are translated to arm64" in run.told) == foreign, run.told
    return "by the build for x86-64" if foreign else YES


def tcpconnlat() -> str:
    """Show how long a connection took."""
    with Run("tcpconnlat", "-o", "json", "-v") as run:
        run.attached(3)
        with _connection() as (client, server):
            row = run.row(lambda row: row["sport"] == client)
    assert (row["pid"], *_ends(row)) == (os.getpid(), _HERE, client, _HERE, server)
    assert row["latency"] > 0
    return YES


def tcplife() -> str:
    """Show both sides of a connection that ended, and what each carried."""
    found: dict[str, dict[str, Any]] = {}
    with Run("tcplife", "-o", "json", "-v") as run:
        run.attached(1)
        with _connection() as (client, server):
            pass

        def look(row: dict[str, Any]) -> bool:
            if {row["sport"], row["dport"]} == {client, server}:
                found["client" if row["sport"] == client else "server"] = row
            return len(found) == 2

        run.row(look)
    assert _ends(found["client"]) == (_HERE, client, _HERE, server)
    assert found["client"]["pid"] == os.getpid()
    for side, (received, sent) in {
        "client": (10, 100),
        "server": (100, 10),
    }.items():  # a FIN may count as a byte
        assert found[side]["received"] - received in {0, 1}
        assert found[side]["sent"] - sent in {0, 1, 2}
        assert found[side]["life"] > 0
    return YES


def activeconn() -> str:
    """Show that a connection is open, and that it is no more."""
    with Run("activeconn", "-o", "json", "-v", "--interval", "100ms", "--no-metrics") as run:
        run.attached(1)
        with _connection():
            run.row(lambda row: (row["saddr"], row["daddr"], row["value"]) == (_HERE, _HERE, 2))
        run.row(lambda row: (row["saddr"], row["daddr"], row["value"]) == (_HERE, _HERE, 0))
    return YES


def out_of_memory() -> int:
    """Let a process exceed its control group's memory limit; return its pid once it is killed."""
    (_CGROUPS / "cgroup.subtree_control").write_text("+memory")
    group = _CGROUPS / "beepy-oom"
    group.mkdir()
    try:
        (group / "memory.max").write_text(str(16 << 20))
        eat = f"open('{group}/cgroup.procs', 'w').write('0'); bytearray(1 << 28)"
        with subprocess.Popen([sys.executable, "-c", eat]) as process:
            pass
        assert process.returncode == -9
    finally:
        group.rmdir()
    return process.pid


def oomkill() -> str:
    """Show a process that is killed because its control group has no memory left."""
    with Run("oomkill", "-o", "json", "-v") as run:
        run.attached(1)
        pid = out_of_memory()
        row = run.row(lambda row: row["tpid"] == pid)
    assert row["tcomm"] == Path(sys.executable).resolve().name[:15]
    assert row["pages"] > 0
    return YES


def capable() -> str:
    """Show that a capability was needed for a low port."""
    with Run("capable", "-o", "json", "-v") as run:
        run.attached(1)
        with socket.create_server((_HERE, 80)):
            row = run.row(
                lambda row: row["pid"] == os.getpid() and row["cap"] == "CAP_NET_BIND_SERVICE"
            )
    assert (row["uid"], row["audit"]) == (0, True)
    return YES


def runqlat() -> str:
    """Show that threads waited."""
    with Run("runqlat", "-o", "json", "-v", "--no-metrics") as run:
        run.attached(3)
        subprocess.run(["true"], check=True)
        run.row(lambda row: row["le"] >= 0)
    return YES


def xdpcount() -> str:
    """Show packets that an interface received."""
    with Run(
        "xdpcount", "-o", "json", "-v", "--iface", "lo", "--interval", "100ms", "--no-metrics"
    ) as run:
        run.attached(1)
        with _connection():
            run.row(
                lambda row: (
                    row["map"] == "counter_packets"
                    and row["protocol"] == "tcp"
                    and row["value"] >= 7
                )
            )
    return YES


def bashreadline() -> str:
    """Show a line that somebody types into bash."""
    with Run("bashreadline", "-o", "json", "-v") as run:
        run.attached(1)
        pid, terminal = pty.fork()
        if not pid:
            os.execv("/bin/bash", ["bash", "--norc", "--noprofile", "-i"])
        os.write(terminal, b"exit 0 # told\n")
        row = run.row(lambda row: row["pid"] == pid)
        os.waitpid(pid, 0)
        os.close(terminal)
    assert (row["line"], row["uid"]) == ("exit 0 # told", 0)
    return YES


CHECKS: Final = (
    Check("tcpconnect", tcpconnect),
    Check("tcpconnlat", tcpconnlat),
    Check("tcplife", tcplife),
    Check("activeconn", activeconn),
    Check("oomkill", oomkill),
    Check("capable", capable),
    Check("runqlat", runqlat),
    Check("xdpcount", xdpcount),
    Check("bashreadline", bashreadline),
)
