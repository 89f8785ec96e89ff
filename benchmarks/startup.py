"""Measure from process start to the first event on its terminal: ``python -m benchmarks.startup``.

Processes exit 1,000 times a second, so the wait for an event takes half a millisecond. Python
itself (bare, with typer, with pyelftools) is measured in the same rounds.
"""

import argparse
import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks._peers import BEEPY, MARK, ROOT, clean_environment, exits, mount_tracing, tool
from benchmarks._report import limit, machine, medians, table

RATE: Final = 1000
TIMEOUT: Final = 30  # seconds until the first event
SCREEN: Final = struct.pack("4H", 50, 160, 0, 0)  # struct winsize: bee draws tables

BEEPY_CASE, BPFTRACE, BEE, EXITSNOOP = "beepy", "bpftrace", "bee", "exitsnoop"
SCRIPT: Final = """tracepoint:sched:sched_process_exit {
    $task = (struct task_struct *)curtask;
    printf("%lld %lld %d %d %d %d %d %s\\n", $task->start_time, nsecs, pid, tid,
           $task->real_parent->tgid, $task->exit_code & 0xff, $task->exit_code >> 8, comm);
}"""


def commands(directory: Path) -> dict[str, list[str]]:
    """Return each case's command line; skip tools that are not installed, with a message."""
    python = [sys.executable, "-c"]
    lines = {
        EXITSNOOP: [tool("exitsnoop")],
        BEEPY_CASE: [*BEEPY, "run", "exitsnoop", "-o", "json", "--no-metrics"],
        BPFTRACE: [tool("bpftrace"), "-e", SCRIPT],
        BEE: [tool("bee"), "run", "--storage", str(directory / "store"), "exitsnoop"],
        "bare python": [*python, f"print('{MARK}')"],
        "import typer": [*python, f"import typer; print('{MARK}')"],
        "import elftools": [*python, f"import elftools.elf.elffile; print('{MARK}')"],
    }
    for name in [name for name, command in lines.items() if not command[0]]:
        print(f"{name}: not installed")
        del lines[name]
    return lines


def first_event(command: list[str]) -> float:
    """Return the seconds from the start of ``command`` until its terminal shows MARK."""
    started = time.perf_counter()
    process, terminal = pty.fork()  # bee needs a controlling terminal
    if not process:
        fcntl.ioctl(0, termios.TIOCSWINSZ, SCREEN)
        os.chdir(ROOT)
        os.execvpe(command[0], command, {**clean_environment(), "TERM": "xterm-256color"})
    try:
        shown = b""
        while MARK.encode() not in shown:
            if not select.select([terminal], [], [], TIMEOUT)[0]:
                raise SystemExit(f"{command[0]}: silent for {TIMEOUT} s")
            shown += _read(command, terminal, shown)
        return time.perf_counter() - started
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(terminal)


def _read(command: list[str], terminal: int, shown: bytes) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # every process that had it open has ended
        raise SystemExit(f"{' '.join(command)}: ended:\n{shown.decode(errors='replace')}") from None


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description="time from process start to the first event")
    parser.add_argument("--rounds", type=int, default=11, help="default: %(default)s")
    rounds = parser.parse_args().rounds
    mount_tracing()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        shutil.copytree(ROOT / "images", directory / "store")
        with exits(directory, RATE):
            cases: dict[str, Callable[[], float]] = {
                name: partial(first_event, command) for name, command in commands(directory).items()
            }
            medians(cases, 1)  # page cache, .pyc
            taken = medians(cases, rounds)
    ours = taken[BEEPY_CASE]
    print(f"process start to first event, medians of {rounds} interleaved rounds; {machine()}")
    rows = [
        (name, f"{seconds * 1e3:.1f}", f"{ours / seconds:.2f}") for name, seconds in taken.items()
    ]
    table(("", "ms", "beepy/it"), rows)
    for peer, title, maximum in (
        (BPFTRACE, "of a bpftrace script of the same content", 1.0),
        (BEE, "of bee", 1 / 3),
        (EXITSNOOP, "of libbpf-tools' exitsnoop (an aim)", 4.0),
    ):
        if peer in taken:
            limit(f"beepy's time to that {title}", ours / taken[peer], maximum)


if __name__ == "__main__":
    main()
