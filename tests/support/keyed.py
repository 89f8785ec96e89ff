"""A real terminal, tmux's, in which a command runs that is used by keys."""

import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support.command import PATIENCE


class Keyed:
    """A tmux of its own with one window of that size; the command's exit code is shown at its end.

    ``directory`` is where its socket is.
    """

    def __init__(
        self,
        directory: Path,
        command: Sequence[str],
        environment: Mapping[str, str],
        size: tuple[int, int] = (80, 24),
    ) -> None:
        self._tmux = ("tmux", "-S", str(directory / "tmux"), "-f", "/dev/null")
        variables = {"TERM": "tmux-256color", **environment}
        words = ["env", "-i", *[f"{name}={value}" for name, value in variables.items()], *command]
        script = f"{shlex.join(words)}; echo code=$?; exec sleep 1000"
        width, height = map(str, size)
        self._run("new-session", "-d", "-x", width, "-y", height, script)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [*self._tmux, *arguments], check=True, capture_output=True, text=True, timeout=PATIENCE
        )
        return done.stdout

    def press(self, *keys: str) -> None:
        """Press keys, by tmux's names; a text of several letters is typed."""
        self._run("send-keys", *keys)

    def screen(self, *options: str) -> str:
        """Return what the terminal shows."""
        return self._run("capture-pane", "-p", *options)

    def until(self, *texts: str, meanwhile: Callable[[], object] = lambda: None) -> str:
        """Wait until all these texts are shown; return what is shown then."""
        deadline = time.monotonic() + PATIENCE
        while not all(text in (shown := self.screen()) for text in texts):
            assert time.monotonic() < deadline, f"{texts} not in:\n{shown}"
            meanwhile()
            time.sleep(0.05)
        return shown

    def modes(self) -> tuple[bool, bool, bool]:
        """Return whether there is an alternate screen, a cursor, and reporting of the mouse."""
        flags = self._run("display", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}")
        alternate, cursor, mouse = [flag == "1" for flag in flags.split()]
        return alternate, cursor, mouse

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the command."""
        shell = self._run("display", "-p", "#{pane_pid}").strip()
        (child,) = Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        subprocess.run(["kill", f"-{number.value}", child], check=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._run("kill-server")
