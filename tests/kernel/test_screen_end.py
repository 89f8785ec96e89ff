"""The screen in tmux: whatever ends it, the terminal is as before, with the last rows."""

import fcntl
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support import exits
from tests.support.command import BEEPY, Beepy, environment
from tests.support.exits import Exit
from tests.support.tmux import PLAIN, Tmux

pytestmark = pytest.mark.kernel

# other tests may end processes, too
RUN = ("run", "exitsnoop", "--no-metrics", "--where", 'comm == "worker-01"')
CRASH = """
import sys
import beepy.tui.table
def crash(self, *, paused):
    raise ZeroDivisionError("on purpose")
beepy.tui.table.Table.pause = crash
sys.argv = ["beepy", *{arguments!r}]
from beepy.__main__ import command
command()
"""


def ends(count: int = 3) -> None:
    exits.fork([Exit(b"worker-01", 3)] * count)


def shows_rows(lines: Sequence[str]) -> bool:
    return sum("worker-01" in line for line in lines) > 2 and "quit" in lines[23]


def press(*keys: str) -> Callable[[Tmux], None]:
    return lambda tmux: tmux.press(*keys)


def send(number: int) -> Callable[[Tmux], None]:
    return lambda tmux: tmux.signal(number)


@pytest.mark.parametrize(
    "end",
    [press("q"), press("?", "C-c"), send(signal.SIGTERM), send(signal.SIGHUP)],
    ids=["q", "ctrl-c in a dialog", "SIGTERM", "SIGHUP"],
)
def test_the_terminal_is_as_before(tmp_path: Path, end: Callable[[Tmux], None]) -> None:
    with Tmux(tmp_path, [*BEEPY, *RUN]) as tmux:
        tmux.until(shows_rows, ends)
        assert tmux.modes()["alternate_on"] == "1"
        end(tmux)
        assert tmux.until_ended() == 0
        assert tmux.modes() == PLAIN
        before, after = tmux.settings()
        assert before == after
        lines = tmux.history
        summary = next(at for at, line in enumerate(lines) if line.startswith("beepy: "))
        assert re.match(r"beepy: \d+ shown, \d+ filtered, (\d+ of .*, )?0 lost, ", lines[summary])
        assert any("worker-01" in line for line in lines[:summary])
        assert any(line.startswith("time ") for line in lines[:summary])


def test_two_signals_leave_the_terminal_as_before(tmp_path: Path) -> None:
    with Tmux(tmp_path, [*BEEPY, *RUN]) as tmux:
        tmux.until(shows_rows, ends)
        # as a shell and the kernel do together; it is stopped until both are there
        tmux.signal(signal.SIGSTOP, signal.SIGHUP, signal.SIGTERM, signal.SIGCONT)
        assert tmux.until_ended() == 130
        assert tmux.modes() == PLAIN
        before, after = tmux.settings()
        assert before == after


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGQUIT], ids=["SIGUSR1", "SIGQUIT"])
def test_no_signal_leaves_the_terminal_in_disorder(tmp_path: Path, number: int) -> None:
    with Tmux(tmp_path, [*BEEPY, *RUN]) as tmux:
        tmux.until(shows_rows, ends)
        tmux.signal(number)
        assert tmux.until_ended() == 0
        assert tmux.modes() == PLAIN
        before, after = tmux.settings()
        assert before == after


def test_an_exception_leaves_the_terminal_as_it_was() -> None:
    """That of a second signal, while textual leaves the terminal."""
    ours, theirs = pty.openpty()
    script = """
import termios, tty
from beepy.tui.terminal_file import TerminalFile
file = TerminalFile()
with file.restored():
    file.write("\\x1b[?1049h\\x1b[?25l")
    tty.setraw(0)
    raise KeyboardInterrupt
"""
    before = termios.tcgetattr(theirs)
    command = [sys.executable, "-W", "error", "-c", script]
    run = subprocess.run(command, stdin=theirs, stdout=theirs, stderr=-1, check=False)
    assert run.returncode == -signal.SIGINT
    assert termios.tcgetattr(theirs) == before
    written = os.read(ours, 4096).decode()
    assert written.index("[?1049h") < written.index("[?1049l") < written.index("[?25h")
    os.close(theirs)
    os.close(ours)


def test_a_crash_is_one_line_and_the_terminal_as_before(tmp_path: Path) -> None:
    script = CRASH.format(arguments=RUN)
    with Tmux(tmp_path, [sys.executable, "-W", "error", "-c", script], size=(160, 24)) as tmux:
        tmux.until(shows_rows, ends)
        tmux.press("Space")
        assert tmux.until_ended() == 1
        assert tmux.modes() == PLAIN
        before, after = tmux.settings()
        assert before == after
        lines = tmux.history
        assert any(
            line.startswith("beepy: screen: ZeroDivisionError: on purpose") for line in lines
        )
        assert any(re.match(r"beepy: \d+ shown, ", line) for line in lines)
        assert any("worker-01" in line for line in lines)
        assert not any("Traceback" in line for line in lines)


def test_an_error_while_loading_is_readable(tmp_path: Path) -> None:
    with Tmux(tmp_path, [*BEEPY, "run", "./none.o"]) as tmux:
        assert tmux.until_ended() == 1
        assert tmux.modes() == PLAIN
        assert any(line.startswith("beepy: ./none.o: ") for line in tmux.lines)


def test_dumb_terminals_have_none(tmp_path: Path) -> None:
    with Tmux(tmp_path, [*BEEPY, *RUN], variables={"TERM": "dumb"}) as tmux:
        tmux.until(lambda lines: any("worker-01" in line for line in lines), ends)
        assert tmux.modes() == PLAIN


def test_a_terminal_that_takes_nothing_does_not_keep_it(beepy: Beepy) -> None:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (50, 200))
    env = environment(beepy.home, {"TERM": "xterm"})
    with subprocess.Popen([*BEEPY, *RUN], stdin=theirs, stdout=theirs, stderr=-1, env=env) as run:
        try:
            os.close(theirs)
            deadline = time.monotonic() + 20
            while not full(ours):
                assert time.monotonic() < deadline
                ends(100)
            run.terminate()
            _, err = run.communicate(timeout=20)
        finally:
            run.kill()
            os.close(ours)
    assert run.returncode == 0
    assert re.match(r"beepy: \d+ shown, ", err.decode().splitlines()[-1])


def full(terminal: int) -> bool:
    """Return whether nobody can write more to a terminal that is not read."""
    waiting = fcntl.ioctl(terminal, termios.FIONREAD, bytes(4))
    return int.from_bytes(waiting, "little") >= 4000
