"""A command of beepy as a child: it has the terminal until it ends, and then the user is asked.

A process of its own, because a run gives up the privileges that another one needs.
"""

import os
import signal
import sys
import termios
import tty
from collections.abc import Sequence
from contextlib import suppress
from types import FrameType
from typing import Final, NamedTuple

from beepy.cli import signals
from beepy.cli.stdio import STDERR, STDIN

_QUESTION: Final = "Enter shows the images again, q quits"
_ENTER: Final = (b"\r", b"\n")
_QUIT: Final = (b"", b"q", b"\x04")  # b"": the terminal is gone
_PATIENCE: Final = 0.5  # seconds for a child that got the same signal
_HANDLED: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)


class Ended(NamedTuple):
    """The exit code of a command, and whether a signal asked this process to end, too."""

    code: int
    by_signal: bool


def run(arguments: Sequence[str]) -> Ended:
    """Run a command of beepy as this process was started, and wait for its end.

    A stop (Ctrl-Z) is one of both processes, as the shell waits for this one.
    """
    command = [sys.executable, *sys.orig_argv[1:], *arguments]
    handlers = {number: signal.getsignal(number) for number in _HANDLED}
    child, by_signal = 0, False

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        nonlocal by_signal
        by_signal = True
        # a terminal that hangs up tells both, and a second signal would end the run at once
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE)

    def end_child(number: int, frame: FrameType | None) -> None:
        del number, frame
        if child:  # 0 would be the whole process group
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)
        else:
            signal.setitimer(signal.ITIMER_REAL, _PATIENCE)

    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for the child, which gets it too
    signal.signal(signal.SIGALRM, end_child)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    try:
        child = os.posix_spawn(command[0], command, os.environ)
        status = _wait(child)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    code = os.waitstatus_to_exitcode(status)
    return Ended(code if code >= 0 else 128 - code, by_signal)


def _wait(child: int) -> int:
    while True:
        _, status = os.waitpid(child, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            return status
        os.kill(os.getpid(), signal.SIGSTOP)
        os.kill(child, signal.SIGCONT)  # the shell's is for both, that of another process may not


def asks_for_more() -> bool:
    """Ask, below what the command has printed, whether the user goes on."""
    os.write(STDERR, _QUESTION.encode())
    try:
        signals.handle(signals.interrupt)
        return _key() in _ENTER
    except (KeyboardInterrupt, OSError, termios.error):
        return False
    finally:
        with suppress(OSError):
            os.write(STDERR, b"\r\x1b[K")


def _key() -> bytes:
    """Return the key that answers; others are not taken."""
    before = termios.tcgetattr(STDIN)
    try:
        # keys that have been typed already are kept
        tty.setcbreak(STDIN, termios.TCSADRAIN)
        while (key := os.read(STDIN, 1)) not in (*_ENTER, *_QUIT):
            pass
    finally:
        termios.tcsetattr(STDIN, termios.TCSADRAIN, before)
    return key
