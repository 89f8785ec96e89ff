"""What makes the programs of bpf/test/cgroup.bpf.c run, each by its row of `hits`."""

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

HOST = "127.0.0.1"


class Case(NamedTuple):
    """A program of ``section``: what makes it run, and how often at least."""

    section: str
    row: int
    provoke: Callable[[], None]
    least: int


@contextmanager
def udp() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A socket that listens, and one that is connected to it."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(type=socket.SOCK_DGRAM) as other,
    ):
        one.bind((HOST, 0))
        other.connect(one.getsockname())
        yield one, other


def packets() -> None:
    with udp() as (one, other):
        other.send(b"x")
        one.recv(1)


def send() -> None:
    with udp() as (one, _), socket.socket(type=socket.SOCK_DGRAM) as third:
        third.sendto(b"x", one.getsockname())
        one.recvfrom(1)


def names() -> None:
    with udp() as (_, other):
        other.getpeername()


def options() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 9000)
        one.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def connect() -> None:
    with socket.create_server((HOST, 0)) as server, socket.create_connection(server.getsockname()):
        server.accept()[0].close()


def read() -> None:
    Path("/proc/sys/kernel/osrelease").read_text()


def device() -> None:
    with Path("/dev/null").open():
        pass


CASES: Mapping[str, Case] = {
    "skb_ingress": Case("cgroup_skb/ingress", 0, packets, 1),
    "skb_egress": Case("cgroup_skb/egress", 1, packets, 1),
    "skb": Case("cgroup/skb", 2, packets, 2),
    "sock_create": Case("cgroup/sock_create", 3, packets, 2),
    "sock_release": Case("cgroup/sock_release", 4, packets, 2),
    "post_bind4": Case("cgroup/post_bind4", 5, packets, 1),
    "bind4": Case("cgroup/bind4", 6, packets, 1),
    "connect4": Case("cgroup/connect4", 7, connect, 1),
    "sendmsg4": Case("cgroup/sendmsg4", 8, send, 1),
    "recvmsg4": Case("cgroup/recvmsg4", 9, send, 1),
    "getpeername4": Case("cgroup/getpeername4", 10, names, 1),
    "getsockname4": Case("cgroup/getsockname4", 11, names, 1),
    "on_sysctl": Case("cgroup/sysctl", 12, read, 1),
    "getsockopt": Case("cgroup/getsockopt", 13, options, 1),
    "setsockopt": Case("cgroup/setsockopt", 14, options, 1),
    "device": Case("cgroup/dev", 15, device, 1),
    "sock_ops": Case("sockops", 16, connect, 2),
}


@contextmanager
def entered(group: Path) -> Iterator[None]:
    """Put this process into a group below the root, and back where it was."""
    (line,) = [
        line
        for line in Path("/proc/self/cgroup").read_text().splitlines()
        if line.startswith("0::")
    ]
    home = group.parent / line.removeprefix("0::/")
    (group / "cgroup.procs").write_text(str(os.getpid()))
    try:
        yield
    finally:
        (home / "cgroup.procs").write_text(str(os.getpid()))
