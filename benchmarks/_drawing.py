"""Measure a command that draws on a terminal while records come: its own work, from outside.

The records are those of ``bpf/test/generator_call.bpf.c``, which the command has loaded, and which
``caller.c`` asks for. The kernel tells what became of them: the program counts what it sent and
what found the ring full, and the ring's consumer position is what was read.
"""

import fcntl
import mmap
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, NamedTuple

from beepy.kernel import objects
from benchmarks._peers import ROOT, clean_environment

_ATTACHED: Final = 30  # seconds until the program must be attached
_END: Final = 10  # seconds until the command must have ended after SIGTERM; bee's screen does not
_RECORD: Final = 64  # bytes in the ring: header, 52, padding
_COUNTS: Final = struct.Struct("QQ")  # struct counts
_TICKS: Final = os.sysconf("SC_CLK_TCK")


class Drawing(NamedTuple):
    """``share`` of a core, ``bytes`` a second to the terminal, and ``rss`` in MB at the end.

    Of the records, ``read`` were taken from the ring, ``left`` were still in it at the end, and
    ``dropped`` found it full.
    """

    share: float
    bytes: float
    rss: float
    read: int
    left: int
    dropped: int


class _Terminal:
    """What ``command`` draws on, of columns and lines ``size``; it is read all the time."""

    def __init__(self, command: list[str], size: tuple[int, int]) -> None:
        self.pid, self._fd = pty.fork()  # bee needs a controlling terminal
        if not self.pid:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", *size[::-1], 0, 0))
            os.chdir(ROOT)
            os.execvpe(command[0], command, {**clean_environment(), "TERM": "xterm-256color"})
        self.bytes = 0
        self.last = b""  # what was drawn last
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):  # EIO: the command has ended
            while drawn := os.read(self._fd, 1 << 16):
                self.last = drawn
                self.bytes += len(drawn)

    def close(self) -> None:
        """End the command."""
        os.kill(self.pid, signal.SIGTERM)
        self._reader.join(_END)
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self._reader.join()
        os.close(self._fd)


def drawing(
    command: list[str], caller: Path, rate: int, seconds: int, size: tuple[int, int]
) -> Drawing:
    """Run ``command`` in a terminal of that size while so many records a second come."""
    with ExitStack() as stack:
        terminal = _Terminal(command, size)
        stack.callback(terminal.close)
        _wait_until_attached(terminal, caller)
        counts = stack.enter_context(_mapped(b"calls"))
        consumed = stack.enter_context(_mapped(b"print_events"))
        before, cpu, drawn = _position(consumed), _cpu(terminal.pid), terminal.bytes
        began = time.monotonic()
        subprocess.run([caller, str(rate), str(seconds), "1000"], check=True)
        passed = time.monotonic() - began
        share = (_cpu(terminal.pid) - cpu) / passed
        written = (terminal.bytes - drawn) / passed
        time.sleep(0.1)  # beepy reads a ring when 5 ms have passed
        sent, dropped = _COUNTS.unpack_from(counts)
        read = _position(consumed)
        return Drawing(
            share,
            written,
            _rss(terminal.pid),
            (read - before) // _RECORD,
            sent - read // _RECORD,
            dropped,
        )


def _wait_until_attached(terminal: _Terminal, caller: Path) -> None:
    end = time.monotonic() + _ATTACHED
    while time.monotonic() < end:
        with suppress(LookupError), _mapped(b"calls") as counts:
            before = _COUNTS.unpack_from(counts)  # the map may be of a command that has ended
            subprocess.run([caller, "1000", "0.01", "1"], check=True)
            if _COUNTS.unpack_from(counts) != before:
                return
        time.sleep(0.1)
    raise SystemExit(
        f"not attached within {_ATTACHED} s:\n{terminal.last.decode(errors='replace')}"
    )


def _mapped(name: bytes) -> mmap.mmap:
    """Return the first page of the map of that name. Raises LookupError if there is none."""
    for fd in objects.maps():
        if objects.map_info(fd).name == name:
            return mmap.mmap(fd.fileno(), mmap.PAGESIZE, mmap.MAP_SHARED, mmap.PROT_READ)
    raise LookupError(name)


def _position(ring: mmap.mmap) -> int:
    return int.from_bytes(ring[:8], "little")


def _cpu(pid: int) -> float:
    """Return the seconds of CPU that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _rss(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * mmap.PAGESIZE / (1 << 20)
