"""The terminal as a file that gives up, on leaving, if the terminal takes nothing.

It imports no textual: it is opened before privileges are given up.
"""

import os
import select
import time
from typing import Final

_STDOUT: Final = 1
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
        self.is_gone = False

    def leave(self) -> None:
        """Wait for the terminal no longer than a moment from now on."""
        if self._give_up_at is None:
            self._give_up_at = time.monotonic() + _PATIENCE

    def write(self, text: str) -> int:
        """Write text; drop it if the terminal is gone."""
        rest = memoryview(text.encode("utf-8", "replace"))
        while rest and not self.is_gone:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BlockingIOError:
                self._wait()
            except OSError:
                self.is_gone = True
        return len(text)

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
