"""Compare with the tools of Debian's libbpf-tools: both must show the same for the same work."""

import ctypes
import os
import pty
import re
import select
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from tests.vm.checks.check import Check, Skipped
from tests.vm.checks.command import Run
from tests.vm.checks.examples import out_of_memory

_SECONDS: Final = 100  # until what is waited for must have come
_OOM: Final = re.compile(
    r'\S+ Triggered by PID (\d+) \("(.*)"\), OOM kill of PID (\d+) \("(.*)"\), (\d+) pages, .*'
)
_MARK: Final = "/beepy-mark"
_MARK_HOST: Final = "127.0.0.2"
_CAD_OFF: Final = 0  # reboot(2): Ctrl-Alt-Del does nothing; for it CAP_SYS_BOOT is looked for

Fact = tuple[Any, ...]


def place(name: str, root: Path = Path("/")) -> Path | None:
    """Return the path of one of Debian's tools, None without it; since trixie it has a suffix."""
    places = (root / "usr/sbin" / name, root / "usr/sbin" / f"{name}-libbpf")
    return next((path for path in places if path.exists()), None)


class Pair(NamedTuple):
    """What an image and a tool of its name have in common.

    ``ours`` and ``theirs`` make a fact of a row and of a line's columns, "" being the line; None:
    not of our making. ``work`` makes events, ``marks`` of which are a ``mark``, the first and the
    last among them; what is told before and after is not compared. ``head``: how the tool's line
    begins with which it says that it is attached.
    """

    programs: int
    ours: Callable[[Mapping[str, Any]], Fact | None]
    theirs: Callable[[Mapping[str, str]], Fact | None]
    work: Callable[[], object]
    mark: Callable[[Fact], bool]
    marks: int = 2
    head: str = "PID"
    options: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()


class _Tool:
    """A running tool, which writes to a terminal: its lines come at once. It is ended by SIGINT."""

    def __init__(self, *command: str) -> None:
        self._terminal, other = pty.openpty()
        self._process = subprocess.Popen(command, stdout=other, stderr=subprocess.PIPE, text=True)
        os.close(other)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.send_signal(signal.SIGINT)
        os.close(self._terminal)
        self._process.communicate()

    def lines(self) -> Generator[str]:
        """Yield its lines as they come, until it ends."""
        text, end = "", time.monotonic() + _SECONDS
        while True:
            *lines, text = text.split("\n")
            yield from [line.rstrip() for line in lines if line.strip()]
            ready, _, _ = select.select([self._terminal], (), (), max(end - time.monotonic(), 0))
            assert ready, f"nothing comes any more: {text}"
            try:
                text += os.read(self._terminal, 1 << 16).decode("utf-8", "replace")
            except OSError:  # EIO: it has ended
                return

    def waits(self) -> None:
        """Wait until the tool waits for its buffers.

        Some open them after they have printed their first line, and miss earlier events.
        """
        process = Path("/proc", str(self._process.pid))
        end = time.monotonic() + _SECONDS
        while self._process.poll() is None and time.monotonic() < end:
            with suppress(FileNotFoundError):  # a descriptor that it has closed meanwhile
                asleep = (process / "stat").read_text().rpartition(")")[2].split()[0] == "S"
                # The descriptors of an epoll.
                watched = [
                    file for file in (process / "fdinfo").iterdir() if "tfd:" in file.read_text()
                ]
                if asleep and watched:
                    return
            time.sleep(0.01)
        raise AssertionError("it does not wait for its buffers")

    def why(self) -> str:
        """Return why it has ended, in its own words."""
        _, told = self._process.communicate()
        return (
            told.strip().splitlines()[-1]
            if told.strip()
            else f"exit code {self._process.returncode}"
        )


def beside(name: str, pair: Pair) -> str:
    """Do the work while both look, and compare what they tell."""
    path = place(name)
    if not path:
        raise Skipped("not installed: libbpf-tools")
    ours: list[Fact] = []
    theirs: list[Fact] = []

    def look(row: Mapping[str, Any]) -> bool:
        ours.extend(filter(None, [pair.ours(row)]))
        return sum(map(pair.mark, ours)) == pair.marks

    with (
        Run(name, "-o", "json", "-v", *pair.arguments) as run,
        _Tool(str(path), *pair.options) as tool,
        closing(tool.lines()) as lines,
    ):
        run.attached(pair.programs)
        head = next((line for line in lines if pair.head in line), "")
        if not head:
            return f"{name} of libbpf-tools: {tool.why()}"
        tool.waits()
        pair.work()
        try:
            run.row(look)
        except AssertionError as error:
            error.add_note(f"ours: {ours}")
            raise
        for line in lines:
            theirs.extend(filter(None, [pair.theirs(_columns(head, line))]))
            if sum(map(pair.mark, theirs)) == pair.marks:
                break
    one, other = _between(ours, pair.mark), _between(theirs, pair.mark)
    assert one == other, f"only ours: {one - other}; only theirs: {other - one}"
    return f"the same {one.total()}"


def _columns(head: str, line: str) -> dict[str, str]:
    names = head.split()
    return {**dict(zip(names, line.split(None, len(names) - 1), strict=False)), "": line}


def _between(facts: list[Fact], mark: Callable[[Fact], bool]) -> Counter[Fact]:
    """Count the facts from the first mark to the last."""
    at = [number for number, fact in enumerate(facts) if mark(fact)]
    return Counter(facts[at[0] : at[-1] + 1])


def _own(pid: str | int, *fact: object) -> Fact | None:
    """Return a fact of this process."""
    return fact if int(pid) == os.getpid() else None


def _connections() -> None:
    """Connect over IPv4 and IPv6, and to where nobody listens."""
    with (
        socket.create_server(("", 0)) as four,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as six,
        socket.socket() as nobody,
    ):
        nobody.bind(("127.0.0.1", 0))
        port = four.getsockname()[1]
        with socket.create_connection((_MARK_HOST, port)):
            pass
        for place in (
            ("127.0.0.1", port),
            six.getsockname()[:2],
            nobody.getsockname(),
            ("127.0.0.1", port),
        ):
            with suppress(ConnectionRefusedError):
                socket.create_connection(place).close()
        with socket.create_connection((_MARK_HOST, port)):
            pass


def _opened() -> None:
    """Open a file, one that is not there, one by another's descriptor, and make one."""
    for path, flags in (
        (_MARK, os.O_RDONLY),
        ("/etc/passwd", os.O_RDONLY | os.O_CLOEXEC),
        ("/etc/none", os.O_RDWR),
        ("/tmp/beepy made this", os.O_WRONLY | os.O_CREAT),
        (".", os.O_RDONLY | os.O_DIRECTORY),
        (_MARK, os.O_RDONLY),
    ):
        with suppress(FileNotFoundError):
            os.close(os.open(path, flags))


def _executed() -> None:
    """Start programs, and one that is not there."""
    for command in (
        ["/bin/true", _MARK],
        ["/bin/true", "one", "two words"],
        ["/bin/sh", "-c", "exec true 3"],
    ):
        subprocess.run(command, check=True)
    with suppress(FileNotFoundError):
        subprocess.run(["/bin/none", "4"], check=False)
    subprocess.run(["/bin/true", _MARK], check=True)


def _allowed() -> None:
    """Do what needs capabilities."""
    reboot = ctypes.CDLL(None).reboot
    reboot(_CAD_OFF)
    with socket.create_server(("127.0.0.1", 80)):
        pass
    os.nice(-1)
    os.chown("/tmp", 0, 1)
    os.chown("/tmp", 0, 0)
    reboot(_CAD_OFF)


def _oom_of_line(columns: Mapping[str, str]) -> Fact | None:
    found = _OOM.fullmatch(columns[""])
    return (int(found[1]), found[2], int(found[3]), found[4], int(found[5])) if found else None


_CONNECTION: Final = ("comm", "saddr", "daddr", "dport")
_PAIRS: Final[Mapping[str, Pair]] = {
    "tcpconnect": Pair(
        4,
        lambda row: _own(row["pid"], row["uid"], *[str(row[name]) for name in _CONNECTION]),
        lambda line: _own(
            line["PID"], int(line["UID"]), *[line[name.upper()] for name in _CONNECTION]
        ),
        _connections,
        lambda fact: fact[3] == _MARK_HOST,
        options=("-U",),
    ),
    "tcpconnlat": Pair(
        3,
        lambda row: _own(row["pid"], str(row["sport"]), *[str(row[name]) for name in _CONNECTION]),
        lambda line: _own(
            line["PID"], line["LPORT"], *[line[name.upper()] for name in _CONNECTION]
        ),
        _connections,
        lambda fact: fact[3] == _MARK_HOST,
        options=("-L",),
    ),
    "opensnoop": Pair(
        6
        if os.uname().machine == "x86_64"
        else 4,  # open(2) itself; newer architectures have openat alone
        lambda row: _own(
            row["pid"],
            row["uid"],
            row["comm"],
            max(row["ret"], -1),
            max(-row["ret"], 0),
            row["fname"],
        ),
        lambda line: _own(
            line["PID"],
            int(line["UID"]),
            line["COMM"],
            int(line["FD"]),
            int(line["ERR"]),
            line["PATH"],
        ),
        _opened,
        lambda fact: fact[4] == _MARK,
        options=("-U",),
        arguments=("--missing", "skip"),
    ),
    "execsnoop": Pair(
        4,
        lambda row: _own(
            row["ppid"], row["pid"], row["uid"], row["retval"], row["comm"], row["args"]
        ),
        lambda line: _own(
            line["PPID"],
            int(line["PID"]),
            int(line["UID"]),
            int(line["RET"]),
            line["PCOMM"],
            line["ARGS"],
        ),
        _executed,
        lambda fact: fact[4].endswith(_MARK),
        options=("-U", "-x"),
        arguments=("--set", "trace_failed=true"),
    ),
    "oomkill": Pair(
        1,
        lambda row: (row["pid"], row["comm"], row["tpid"], row["tcomm"], row["pages"]),
        _oom_of_line,
        out_of_memory,
        bool,
        marks=1,
        head="Tracing OOM kills",
    ),
    "capable": Pair(
        1,
        lambda row: _own(row["pid"], row["uid"], row["comm"], row["cap"], int(row["audit"])),
        lambda line: _own(
            line["PID"], int(line["UID"]), line["COMM"], line["NAME"], int(line["AUDIT"])
        ),
        _allowed,
        lambda fact: fact[2] == "CAP_SYS_BOOT",
    ),
}

NAMES: Final = tuple(_PAIRS)
"""The tools that are needed."""

CHECKS: Final = tuple(
    [Check(f"beside {name}", partial(beside, name, pair)) for name, pair in _PAIRS.items()]
)
