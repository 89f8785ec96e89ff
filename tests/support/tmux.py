"""A terminal that others wrote: tmux, which tells its modes, and what it shows."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from shlex import join
from types import TracebackType
from typing import Final, Self

import pytest

from tests.support.command import environment

_PATIENCE: Final = 60.0  # seconds; a test that waits longer has failed
_NUMBERS: Final = count()  # of servers: one that ends has its socket for a while
MODES: Final = ("alternate_on", "cursor_flag", "mouse_any_flag", "mouse_sgr_flag", "keypad_flag")
PLAIN: Final = {
    "alternate_on": "0",
    "cursor_flag": "1",
    "mouse_any_flag": "0",
    "mouse_sgr_flag": "0",
    "keypad_flag": "0",
}


class Tmux:
    """A window in which a command runs, between two lines of the terminal's settings.

    After the command, the window has a line ``code N``.
    """

    def __init__(
        self,
        directory: Path,
        command: Sequence[str],
        *,
        size: tuple[int, int] = (80, 24),
        variables: Mapping[str, str] | None = None,
        to: str = "",
    ) -> None:
        if not shutil.which("tmux"):
            pytest.skip("tmux is not installed")
        self._socket = str(directory / f"tmux{next(_NUMBERS)}")
        script = f"trap : INT; stty -g; {join(command)} {to}; echo code $?; stty -g; sleep 1000"
        env = {"TERM": "xterm", "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        subprocess.run(
            [
                *("tmux", "-S", self._socket, "-f", os.devnull, "new-session", "-d"),
                *("-x", str(size[0]), "-y", str(size[1]), "-c", str(directory)),
                *("env", "-i", *[f"{k}={v}" for k, v in {**environment(directory, env)}.items()]),
                *[f"{k}={v}" for k, v in (variables or {}).items()],
                *("sh", "-c", script),
            ],
            check=True,
        )

    def _ask(self, *arguments: str) -> str:
        command = ["tmux", "-S", self._socket, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    @property
    def lines(self) -> list[str]:
        """What the window shows."""
        return self._ask("capture-pane", "-p").split("\n")

    @property
    def styled(self) -> str:
        """The same with its escape sequences."""
        return self._ask("capture-pane", "-p", "-e")

    @property
    def history(self) -> list[str]:
        """What it shows, and what has scrolled away."""
        return self._ask("capture-pane", "-p", "-S", "-").rstrip("\n").split("\n")

    def modes(self) -> dict[str, str]:
        """The modes of the terminal."""
        text = self._ask("display-message", "-p", " ".join([f"#{{{mode}}}" for mode in MODES]))
        return dict(zip(MODES, text.split(), strict=True))

    def press(self, *keys: str) -> None:
        self._ask("send-keys", *keys)

    def resize(self, width: int, height: int) -> None:
        self._ask("resize-window", "-x", str(width), "-y", str(height))

    def until(
        self,
        condition: Callable[[Sequence[str]], bool],
        meanwhile: Callable[[], object] | None = None,
    ) -> list[str]:
        """Wait until the window shows it; return its lines."""
        deadline = time.monotonic() + _PATIENCE
        while not condition(lines := self.lines):
            assert time.monotonic() < deadline, "\n".join(lines)
            if meanwhile:
                meanwhile()
            time.sleep(0.05)
        return lines

    def until_ended(self) -> int:
        """Wait for the end of the command; return its code."""
        lines = self.until(lambda lines: any(line.startswith("code ") for line in lines))
        return next(int(line[5:]) for line in lines if line.startswith("code "))

    def settings(self) -> list[str]:
        """The terminal's settings before the command, and after it."""
        self.until(lambda lines: sum("500:" in line for line in lines) > 0)
        return [line for line in self.history if line.count(":") > 20]

    @property
    def child(self) -> int:
        """The process of the command."""
        shell = self._ask("display-message", "-p", "#{pane_pid}").strip()
        (child,) = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        return int(child)

    def signal(self, *numbers: int) -> None:
        """Send signals to the command, one right after the other."""
        child = self.child
        for number in numbers:
            os.kill(child, number)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], check=False)
