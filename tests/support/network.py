"""A private network namespace with a wire (two veth interfaces), and frames to send over it."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from beepy.kernel import netns

EXPERIMENTAL = 0x88B5  # the Ethertype that the programs of bpf/test/ count
_OTHER = 0x88B6  # ... and one that they do not


class Network(NamedTuple):
    """The namespace of the process ``holder``: frames sent from ``a`` arrive at ``b``, and back."""

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

    def add(self, kind: str) -> None:
        """Add a pair of interfaces of that kind, and set them up."""
        self.run("ip", "link", "add", self.a, "type", kind)
        with self.inside():
            (peer,) = {name for _, name in socket.if_nameindex()} - {"lo", self.a}
        self.run("ip", "link", "set", peer, "name", self.b)
        for name in ("lo", self.a, self.b):
            self.run("ip", "link", "set", name, "up")

    def put(self, *frames: bytes) -> None:
        """Send frames out of ``a``, and wait for nothing."""
        with self.inside(), socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sender:
            sender.bind((self.a, 0))
            for frame in frames:
                sender.send(frame)

    def send(self, count: int, source: str = "") -> None:
        """Send experimental Ethertype frames from ``source`` (``a``); wait until they arrive.

        The receiver is of one protocol: the kernel asks it after all BPF programs.
        """
        source = source or self.a
        with self._ends(source, EXPERIMENTAL) as (sender, receiver):
            receiver.settimeout(30)
            for _ in range(count):
                sender.send(frame(EXPERIMENTAL))
            for _ in range(count):
                receiver.recv(64)

    def wait(self, source: str) -> None:
        """Return once frames pass: a new interface drops them until it has a carrier."""
        with self._ends(source, _OTHER) as (sender, receiver):
            receiver.settimeout(0.05)
            for _ in range(600):
                sender.send(frame(_OTHER))
                try:
                    receiver.recv(64)
                except TimeoutError:
                    continue
                return
        raise AssertionError(f"{source}: no frame gets through")

    @contextmanager
    def _ends(self, source: str, ethertype: int) -> Iterator[tuple[socket.socket, socket.socket]]:
        """A sender out of ``source``, and a receiver at the other end of the wire."""
        kind = socket.AF_PACKET, socket.SOCK_RAW
        with self.inside(), socket.socket(*kind) as sender, socket.socket(*kind) as receiver:
            receiver.bind((self.b if source == self.a else self.a, ethertype))
            sender.bind((source, 0))
            yield sender, receiver


def frame(ethertype: int) -> bytes:
    """Return a frame of that type, for nobody."""
    return bytes(12) + ethertype.to_bytes(2, "big") + bytes(46)


@contextmanager
def private() -> Iterator[Network]:
    """Yield a namespace with a wire.

    Its holder, a process, keeps it alive: no file, mount or name is left.
    """
    with _namespace() as network:
        network.add("veth")
        for name in (network.a, network.b):
            network.wait(name)
        yield network


@contextmanager
def netkit() -> Iterator[Network]:
    """Make a namespace with a pair of netkit devices, the first of which is the primary one."""
    with _namespace() as network:
        network.add("netkit")
        yield network


@contextmanager
def _namespace() -> Iterator[Network]:
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
        yield network
