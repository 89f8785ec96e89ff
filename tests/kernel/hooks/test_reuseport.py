"""A program that chooses among sockets of another process that share a port."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy import hooks
from beepy.errors import AttachError
from beepy.hooks import Target, journal
from tests.support import child, told
from tests.support.hits import attach, compile_object, hits, loaded

pytestmark = pytest.mark.kernel

HOST = "127.0.0.1"
SERVER = f"""
import socket, sys
kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_DGRAM)
sockets = [socket.socket(type=kind) for kind in kinds]
port = 0
for one in sockets:
    if one.type == socket.SOCK_DGRAM:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    one.bind(({HOST!r}, port))
    port = one.getsockname()[1]
print(port, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(journal, "DIRECTORY", tmp_path / "beepy")
    yield tmp_path / "beepy"
    assert list((tmp_path / "beepy").glob("*")) == []


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return compile_object("reuseport", tmp_path)


@pytest.fixture
def server() -> Iterator[tuple[int, int]]:
    """Pid and port."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout
        yield process.pid, int(process.stdout.readline())


def send(port: int, count: int) -> None:
    """The program runs before sending returns: over loopback, in the sender's own context."""
    with socket.socket(type=socket.SOCK_DGRAM) as one:
        for _ in range(count):
            one.sendto(b"x", (HOST, port))


def test_a_program_sees_what_arrives_at_the_port(path: Path, server: tuple[int, int]) -> None:
    pid, port = server
    with loaded(path) as collection:
        with attach(collection, "on_choice", Target(str(port), pid=pid)):
            send(port, 3)
        send(port, 2)
        assert hits(collection, 0) == 3


def test_a_killed_process_s_program_is_detached(
    path: Path, server: tuple[int, int], directory: Path
) -> None:
    pid, port = server
    code = f"""
import os, signal
from pathlib import Path
from beepy.hooks import Target, journal
from tests.support.hits import attach, loaded

journal.DIRECTORY = Path({str(directory)!r})
with loaded(Path({str(path)!r})) as collection:
    attach(collection, "on_choice", Target({str(port)!r}, pid={pid}))
    print(collection.programs["on_choice"].id(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=child.ROOT, stdout=subprocess.PIPE, check=False
    )
    assert done.returncode == -signal.SIGKILL
    shown = ["bpftool", "prog", "show", "id", done.stdout.decode().strip()]
    assert subprocess.run(shown, capture_output=True, check=False).returncode == 0
    hooks.sweep()
    assert subprocess.run(shown, capture_output=True, check=False).returncode != 0


def test_detaching_after_the_server_ended(path: Path) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as one, loaded(path) as collection:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind((HOST, 0))
        with attach(collection, "on_choice", Target(str(one.getsockname()[1]), pid=os.getpid())):
            one.close()


def test_errors_say_what_is_missing(path: Path, server: tuple[int, int]) -> None:
    pid, port = server
    with loaded(path) as collection:
        for target in (Target(), Target(str(port)), Target(pid=pid), Target("http", pid=pid)):
            with pytest.raises(AttachError) as caught:
                attach(collection, "on_choice", target)
            assert str(caught.value) == "program 'on_choice': sk_reuseport: needs pid and a port"
            example = "--pid PID --attach on_choice=PORT"
            assert told.notes(caught.value) == [
                f"{example}, where PID has a socket with SO_REUSEPORT"
            ]
        with pytest.raises(AttachError) as caught:
            attach(collection, "on_choice", Target("1", pid=pid))
        expected = f"port 1 of process {pid}: the process has no socket with SO_REUSEPORT there"
        assert str(caught.value) == f"program 'on_choice': {expected}"
        with pytest.raises(AttachError) as caught:
            attach(collection, "on_choice", Target("1", pid=2**30))
        assert "(ESRCH)" in str(caught.value) or "(EINVAL)" in str(caught.value)
