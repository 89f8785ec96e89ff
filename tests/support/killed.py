"""Kill the command ``run`` at random moments, again and again, and find all that it could leave."""

import ctypes
import errno
import os
import random
import re
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Final, NamedTuple

from beepy import uapi
from beepy.__main__ import main
from beepy.hooks import journal
from beepy.host import tracefs
from beepy.sys import call
from tests.support.held import Number, held, wait_for_end
from tests.support.seccomp import refuse

PROGRAMS: Final = 8
"""How many of bpf/test/killed.bpf.c are attached."""

_IMPORTED: Final = (
    *("beepy.cli.app", "beepy.cli.session", "beepy.streams", "beepy.outputs.none", "pyroute2"),
    *[
        f"beepy.hooks.{name}"
        for name in ("tracepoint", "raw_tracepoint", "uprobe", "xdp", "tc", "cgroup")
    ],
    "beepy.hooks.flow_dissector",
)
_PINS: Final = Path("/sys/fs/bpf")
_ATTACHED: Final = b": attached to "
_SECONDS: Final = 60  # until all are attached, on a busy machine
_ENDS: Final = (
    "before it loaded any",
    "while it loaded",
    "while it attached",
    "when all were attached",
)


class Left(NamedTuple):
    """What is there of things that outlive a process, in the namespaces of this one."""

    mounts: str
    qdiscs: str
    filters: str
    interfaces: str
    groups: str
    pins: tuple[str, ...]
    events: tuple[str, ...]


def stand_alone() -> None:
    """Enter a private network and BPF file system, and import what the command needs."""
    assert ctypes.CDLL(None).unshare(uapi.CLONE_NEWNET) == 0
    subprocess.run(["mount", "-t", "bpf", "bpf", _PINS], check=True)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for name in _IMPORTED:
        import_module(name)


def refuse_links() -> None:
    """Answer EINVAL to BPF_LINK_CREATE and hide perf's PMUs: beepy attaches in the old ways."""
    subprocess.run(["mount", "-t", "tmpfs", "none", "/sys/bus/event_source/devices"], check=True)
    refuse(call.numbers().bpf, errno.EINVAL, first_argument=uapi.Cmd.LINK_CREATE)


def left(group: Path, processes: set[int]) -> Left:
    """Look at everything; of tracefs' events at those of these processes."""
    return Left(
        Path("/proc/self/mountinfo").read_text(),
        _run("tc", "qdisc", "show"),
        _run("tc", "filter", "show", "dev", "lo", "ingress"),
        _run("ip", "link", "show", "dev", "lo"),
        _run("bpftool", "cgroup", "show", str(group)),
        tuple(sorted(map(str, _PINS.rglob("*")))),
        tuple([line for line in _events() if int(line.split("_")[1]) in processes]),
    )


def compared(before: Left, now: Left) -> dict[str, tuple[object, object]]:
    """Return what is not as it was."""
    return {
        name: (one, other)
        for name, one, other in zip(Left._fields, before, now, strict=True)
        if one != other
    }


def _run(*command: str) -> str:
    return subprocess.run(
        command, check=False, capture_output=True, text=True
    ).stdout  # tc fails without a qdisc


def _events() -> Iterator[str]:
    """Yield the names of beepy's events, each with the number of its process."""
    with tracefs.root("a test") as root:
        number = os.open("uprobe_events", os.O_RDONLY, dir_fd=root)
    with os.fdopen(number, encoding="utf-8") as file:
        yield from re.findall(r":beepy/(\w+)", file.read())


class Killer:
    """Runs the command with these arguments in forks of this process, which has all imports."""

    def __init__(self, folder: Path, *arguments: str, seed: int) -> None:
        journal.DIRECTORY = folder
        self._arguments = arguments
        self._random = random.Random(seed)
        self._usual = 0.0  # seconds until all are attached
        self.processes: set[int] = set()
        self.held: set[Number] = set()
        self.ends: Counter[str] = Counter()
        self.noted = 0

    def attached(self, sent: int) -> str:
        """Let it attach all, and send it a signal; return what it said."""
        began = time.monotonic()
        pid, told = self._start()
        said = _read(told, lambda text: text.count(_ATTACHED) == PROGRAMS)
        self._usual = time.monotonic() - began
        self._end(pid, sent)
        return (said + _read(told)).decode()

    def cycle(self) -> None:
        """Kill it at some moment."""
        pid, told = self._start()
        time.sleep(self._random.uniform(0, 1.2 * self._usual))
        self._end(pid, signal.SIGKILL)
        said = _read(told)
        loaded, attached = said.count(b": loaded\n"), said.count(_ATTACHED)
        self.ends[
            _ENDS[
                3 if attached == PROGRAMS else 2 if attached or loaded == PROGRAMS else bool(loaded)
            ]
        ] += 1
        self.noted = max(self.noted, len(list(journal.DIRECTORY.glob("*"))))

    def wait(self) -> None:
        """Wait until the kernel has let go of all that they held when they were killed."""
        wait_for_end(self.held)

    def _start(self) -> tuple[int, int]:
        """Return the process, and where its stderr can be read."""
        told, end = os.pipe()
        pid = os.fork()
        if not pid:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(end, 2)
            os.close(told)
            os.close(end)
            sys.argv = ["beepy", "-v", "run", *self._arguments]
            os._exit(main())
        os.close(end)
        self.processes.add(pid)
        return pid, told

    def _end(self, pid: int, sent: int) -> None:
        """Look at what it holds while it is stopped, and send it a signal."""
        os.kill(pid, signal.SIGSTOP)
        _, status = os.waitpid(pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), f"ended by itself: {os.waitstatus_to_exitcode(status)}"
        self.held |= held(pid)
        os.kill(pid, sent)
        os.kill(pid, signal.SIGCONT)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == (-sent if sent == signal.SIGKILL else 0)


def _read(told: int, enough: Callable[[bytes], object] | None = None) -> bytes:
    """Return what comes, to its end, or until it is enough: the pipe is closed at the end."""
    text = b""
    end = time.monotonic() + _SECONDS
    while not (enough and enough(text)):
        ready, _, _ = select.select([told], (), (), max(end - time.monotonic(), 0))
        assert ready, f"nothing comes any more: {text.decode()}"
        more = os.read(told, 1 << 16)
        if not more:
            assert not enough, f"ended: {text.decode()}"
            os.close(told)
            break
        text += more
    return text
