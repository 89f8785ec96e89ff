"""From the start of a process to the first event on its terminal: ``python -m benchmarks.startup``.

Processes end 1,000 times a second, so the first event costs half a millisecond of waiting. Python's own shares (bare,
with typer, with pyelftools) have their turns in the same rounds.
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

from benchmarks._peers import BEEPY, MARK, ROOT, clean, exits, mount_tracing, tool
from benchmarks._report import limit, machine, medians, table

RATE: Final = 1000
PATIENCE: Final = 30  # seconds
SCREEN: Final = struct.pack("4H", 50, 160, 0, 0)  # struct winsize: bee draws tables

BEEPY_CASE, BPFTRACE, BEE, EXITSNOOP = "beepy", "bpftrace", "bee", "exitsnoop"
TYPED: Final = """tracepoint:sched:sched_process_exit {
    $task = (struct task_struct *)curtask;
    printf("%lld %lld %d %d %d %d %d %s\\n", $task->start_time, nsecs, pid, tid, $task->real_parent->tgid,
           $task->exit_code & 0xff, $task->exit_code >> 8, comm);
}"""


def commands(folder: Path) -> dict[str, list[str]]:
    """Return each case's command line; tools that are not here are left out, with a word."""
    python = [sys.executable, "-c"]
    found = {
        EXITSNOOP: [tool("exitsnoop")],
        BEEPY_CASE: [*BEEPY, "run", "exitsnoop", "-o", "json", "--no-metrics"],
        BPFTRACE: [tool("bpftrace"), "-e", TYPED],
        BEE: [tool("bee"), "run", "--storage", str(folder / "store"), "exitsnoop"],
        "bare python": [*python, f"print('{MARK}')"],
        "import typer": [*python, f"import typer; print('{MARK}')"],
        "import elftools": [*python, f"import elftools.elf.elffile; print('{MARK}')"],
    }
    for name in [name for name, command in found.items() if not command[0]]:
        print(f"{name}: not here")
        del found[name]
    return found


def first_event(command: list[str]) -> float:
    """Return the seconds from the start of ``command`` until its terminal shows the name MARK."""
    started = time.perf_counter()
    process, terminal = pty.fork()  # a controlling terminal, which bee asks for
    if not process:
        fcntl.ioctl(0, termios.TIOCSWINSZ, SCREEN)
        os.chdir(ROOT)
        os.execvpe(command[0], command, {**clean(), "TERM": "xterm-256color"})
    try:
        shown = b""
        while MARK.encode() not in shown:
            if not select.select([terminal], [], [], PATIENCE)[0]:
                raise SystemExit(f"{command[0]}: silent for {PATIENCE} s")
            shown += _read(command, terminal, shown)
        return time.perf_counter() - started
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(terminal)


def _read(command: list[str], terminal: int, shown: bytes) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # all that had it open is gone
        raise SystemExit(f"{' '.join(command)}: ended:\n{shown.decode(errors='replace')}") from None


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description="time from process start to the first event")
    parser.add_argument("--rounds", type=int, default=11, help="default: %(default)s")
    rounds = parser.parse_args().rounds
    mount_tracing()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "images", folder / "store")
        with exits(folder, RATE):
            cases: dict[str, Callable[[], float]] = {
                name: partial(first_event, command) for name, command in commands(folder).items()
            }
            medians(cases, 1)  # page cache, .pyc
            taken = medians(cases, rounds)
    ours = taken[BEEPY_CASE]
    print(f"process start to first event, medians of {rounds} interleaved rounds; {machine()}")
    rows = [(name, f"{seconds * 1e3:.1f}", f"{ours / seconds:.2f}") for name, seconds in taken.items()]
    table(("", "ms", "beepy/it"), rows)
    for peer, what, most in (
        (BPFTRACE, "of a bpftrace script of the same content", 1.0),
        (BEE, "of bee", 1 / 3),
        (EXITSNOOP, "of libbpf-tools' exitsnoop (an aim)", 4.0),
    ):
        if peer in taken:
            limit(f"beepy's time to that {what}", ours / taken[peer], most)


if __name__ == "__main__":
    main()
