"""A network namespace of the test's own, with two interfaces that are one wire, and frames that are sent over it."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from beepy.kernel import netns

EXPERIMENTAL = 0x88B5  # the Ethertype that bpf/test/net.bpf.c counts


class Network(NamedTuple):
    """The namespace of the process ``holder``: what leaves ``a`` arrives at ``b``, and the other way round."""

    holder: int
    a: str = "wire-a"
    b: str = "wire-b"

    @property
    def name(self) -> str:
        """What a Target calls it."""
        return str(self.holder)

    @contextmanager
    def inside(self) -> Iterator[None]:
        """Stand in the namespace."""
        with netns.open_namespace(self.name) as namespace, netns.entered(namespace):
            yield

    def run(self, *command: str) -> str:
        """Run a command in the namespace, and return its output."""
        with self.inside():
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def put(self, *frames: bytes) -> None:
        """Send frames out of ``a``, and wait for nothing."""
        with self.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
            sender.bind((self.a, 0))
            for frame in frames:
                sender.send(frame)

    def send(self, count: int, source: str = "") -> None:
        """Send frames of the experimental Ethertype out of ``source`` (``a``), and wait until the other end has them.

        The receiver is of one protocol: the kernel asks it after all BPF programs.
        """
        source = source or self.a
        target = self.b if source == self.a else self.a
        kind = socket.AF_PACKET, socket.SOCK_RAW
        with self.inside(), socket.socket(*kind) as sender, socket.socket(*kind) as receiver:
            receiver.settimeout(30)
            receiver.bind((target, EXPERIMENTAL))
            sender.bind((source, 0))
            for _ in range(count):
                sender.send(bytes(12) + EXPERIMENTAL.to_bytes(2, "big") + bytes(46))
            for _ in range(count):
                receiver.recv(64)


@contextmanager
def private() -> Iterator[Network]:
    """Make a namespace that goes with its holder, a process: no file, no mount, no name is left of it."""
    unshare = shutil.which("unshare")
    assert unshare, "unshare is not installed"
    command = [unshare, "--net", "cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin
        assert holder.stdout
        holder.stdin.write(b"\n")
        holder.stdin.flush()
        holder.stdout.readline()  # it is cat by now, in its namespace
        network = Network(holder.pid)
        with network.inside():
            for family in ("all", "default"):  # no frames but ours
                Path(f"/proc/sys/net/ipv6/conf/{family}/disable_ipv6").write_text("1")
        network.run("ip", "link", "add", network.a, "type", "veth", "peer", "name", network.b)
        for name in ("lo", network.a, network.b):
            network.run("ip", "link", "set", name, "up")
        yield network
