"""Fork processes that exit as asked, with given names; as a script: the process that forks.

Each line of its stdin is ``NAME-IN-HEX CODE SIGNAL`` (- for no name, 0 for no signal), each line of
its stdout the pid of that child, once it has ended.
"""

import ctypes
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterable
from typing import NamedTuple

_PR_SET_NAME = 15

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT, signal.SIGUSR1)

NAMES = (
    *(b"worker-%02d" % number for number in range(20)),
    *(
        b"",
        b" ",
        b"two words",
        b" before",
        b"after ",
        b"fifteen-letters",
        b"%s%n%d",
        b"a,b",
        b'"',
        b'"quoted"',
    ),
    *(
        b"\\",
        b"back\\slash",
        b"\\x41",
        b"'",
        b"$(id)",
        b";",
        b"{pid}",
        b"[/]",
        b"[bold]x[/bold]",
        b"[red]",
        b"<b>&amp;",
    ),
    *(
        b"tab\there",
        b"line\nfeed",
        b"\r",
        b"\x1b[31mred",
        b"\x1b]0;title\x07",
        b"\x07bell",
        b"\x08back",
        b"\x7f",
        b"\x01",
    ),
    *(
        b"caf\xc3\xa9",
        b"\xe2\x80\xaeright",
        b"\xe2\x80\xa8",
        b"\xf0\x9f\x90\x9d",
        b"\xc2\x9bc1",
        b"\xef\xbb\xbfbom",
    ),
    *(
        b"\xff",
        b"\xff\xfe\xfd",
        b"cut\xc3",
        b"\xed\xa0\x80",
        b"\x80" * 15,
        b"a\xf5b",
        b"12345678901234\xc3",
    ),
)


class Exit(NamedTuple):
    """The end of a child: ``exit`` with that code, or a ``signal``; its name is raw bytes."""

    name: bytes
    code: int = 0
    signal: int = 0


class Ended(NamedTuple):
    """What became of a child."""

    pid: int
    ppid: int
    code: int
    signal: int
    name: bytes

    @property
    def text(self) -> str:
        r"""The name as JSON and labels have it: bytes that are no UTF-8 are the text ``\xNN``."""
        return self.name.decode("utf-8", "backslashreplace")


def fork(exits: Iterable[Exit]) -> list[Ended]:
    """Let a helper fork one child after another; return them once all have ended."""
    told = list(exits)
    lines = "".join([f"{one.name.hex() or '-'} {one.code} {one.signal}\n" for one in told])
    with subprocess.Popen(
        [sys.executable, "-S", "-E", "-P", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as helper:
        out, _ = helper.communicate(lines, timeout=60)
    assert helper.returncode == 0
    pids = [int(line) for line in out.split()]
    return [
        Ended(pid, helper.pid, one.code, one.signal, one.name)
        for pid, one in zip(pids, told, strict=True)
    ]


def _child(name: bytes, code: int, number: int, prctl: "ctypes._NamedFuncPointer") -> None:
    prctl(_PR_SET_NAME, name, 0, 0, 0)
    if number:
        signal.signal(number, signal.SIG_DFL) if number != signal.SIGKILL else None
        os.kill(os.getpid(), number)
    os._exit(code)


def _main() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    prctl = ctypes.CDLL(None).prctl
    for line in sys.stdin:
        name, code, number = line.split()
        if not (pid := os.fork()):
            _child(b"" if name == "-" else bytes.fromhex(name), int(code), int(number), prctl)
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == (-int(number) or int(code)), (line, status)
        print(pid)


if __name__ == "__main__":
    _main()
