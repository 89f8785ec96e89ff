"""An interactive shell at a pseudo-terminal, in which a test types."""

import os
import pty
import select
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from tests.support.command import PATIENCE


class Shell:
    """The shell is ended and reaped at the end of the block; ``shown`` is what it shows now."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        self.shown = ""
        self._ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (50, 200))
        try:
            self._process = subprocess.Popen(
                ["setsid", "--ctty", "--wait", *command],
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                env={"TERM": "xterm", **env},
            )
        finally:
            os.close(theirs)

    def enter(self, text: str) -> None:
        """Type; what is not read yet waits in the terminal."""
        os.write(self._ours, text.encode())

    def until(self, text: str) -> None:
        """Wait until the shell has shown that, and forget what it has shown up to there."""
        end = time.monotonic() + PATIENCE
        while text not in self.shown:
            ready, _, _ = select.select([self._ours], [], [], max(end - time.monotonic(), 0))
            assert ready, f"{text!r} is not in {self.shown!r}"
            try:
                self.shown += os.read(self._ours, 1 << 16).decode(errors="replace")
            except OSError:
                raise AssertionError(f"it has ended: {self.shown!r}") from None
        self.shown = self.shown.partition(text)[2]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.close(self._ours)  # hangs up: the shell ends
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
