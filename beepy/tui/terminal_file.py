"""The terminal as a file that gives up, on leaving, if the terminal takes nothing.

It imports no textual: it is opened before privileges are given up.
"""

import os
import select
import signal
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

_STDIN: Final = 0
_STDOUT: Final = 1
_END_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# by default, these end the process, and leave the terminal as the screen has it
UNHANDLED: Final = (signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
# textual handles these, and goes on to do so when it has left the terminal
OF_TEXTUAL: Final = (signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)
_LFLAG: Final = 3  # of what tcgetattr returns
_ENTER: Final = "\x1b[?1049h"  # what textual writes for the alternate screen, and to leave it
_LEAVE: Final = "\x1b[?1049l"
# what textual writes on leaving: mouse, pasting, wrapping, keyboard, screen, cursor, focus
_RESTORE: Final = (
    "\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?2004l\x1b[?7h\x1b[<u"
    f"{_LEAVE}\x1b[?25h\x1b[?1004l"
)
_PATIENCE: Final = 2.0  # seconds for a terminal that takes nothing, on leaving
_CHECK_MS: Final = 200


class TerminalFile:
    """What textual writes to; after ``leave``, it gives up a terminal that takes nothing.

    It has a description of its own for the terminal: that of standard output is the shell's too,
    and must go on blocking.
    """

    def __init__(self) -> None:
        try:
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            self._fd = os.open(f"/proc/self/fd/{_STDOUT}", flags)
        except OSError:  # of another user, before sudo: then it blocks
            self._fd = os.dup(_STDOUT)
        self._give_up_at: float | None = None
        self._is_entered = False
        self.is_gone = False

    def leave(self) -> None:
        """Wait for the terminal no longer than a moment from now on."""
        if self._give_up_at is None:
            self._give_up_at = time.monotonic() + _PATIENCE

    def write(self, text: str) -> int:
        """Write text; drop it if the terminal is gone."""
        if _ENTER[:-1] in text:
            self._is_entered = text.rfind(_ENTER) > text.rfind(_LEAVE)
        rest = memoryview(text.encode("utf-8", "replace"))
        while rest and not self.is_gone:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                self._wait()
            except OSError:
                self.is_gone = True
        return len(text)

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Leave the terminal as it was, also if a signal's exception ends what leaves it."""
        before = None
        with suppress(termios.error):  # stdin is none, or it is gone
            before = termios.tcgetattr(_STDIN)
        try:
            yield
        finally:
            # one more signal waits until the terminal is as it was
            masked = signal.pthread_sigmask(signal.SIG_BLOCK, _END_SIGNALS)
            try:
                self._restore(before)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, masked)

    def _restore(self, before: list[int | list[bytes | int]] | None) -> None:
        with suppress(termios.error):
            if before and termios.tcgetattr(_STDIN)[_LFLAG] != before[_LFLAG]:
                termios.tcsetattr(_STDIN, termios.TCSANOW, before)
        if self._is_entered:
            self.leave()
            self.write(_RESTORE)
        self.is_gone = True  # threads of textual may still have something to write

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        ready = poll.poll(_CHECK_MS)
        if not ready and self._give_up_at is not None and time.monotonic() > self._give_up_at:
            self.is_gone = True

    def flush(self) -> None:
        """Do nothing: nothing is kept back."""

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._fd

    def isatty(self) -> bool:
        """Return True: the screen is shown on terminals only."""
        return True

    def close(self) -> None:
        """Close the description."""
        os.close(self._fd)
