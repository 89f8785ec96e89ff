"""Run beepy as its users do: as a command, in a process of its own, with an empty home."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

ROOT = Path(__file__).parents[2]
BEEPY = (sys.executable, "-W", "error", "-m", "beepy")
PATIENCE = 100.0  # seconds after which what is awaited will not come


class Done(NamedTuple):
    """How a command ended: negative codes are signals."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> list[str]:
        """The lines on stderr."""
        return self.err.splitlines()


def environment(home: Path, changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment that no setting of the user's is in."""
    return {
        "HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "PATH": os.environ["PATH"],
        **(changes or {}),
    }


class Running:
    """A command under way, whose output is collected; ended and reaped at the block's end."""

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str] | None = None,
        *,
        stdout: int | None = None,
    ) -> None:
        self.out = b""
        self.err = b""
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            command,
            env=env,
            stdout=subprocess.PIPE if stdout is None else stdout,
            stderr=subprocess.PIPE,
        )
        self._threads = [
            threading.Thread(target=self._collect, args=(name, file))
            for name, file in (("out", self.process.stdout), ("err", self.process.stderr))
            if file
        ]
        for thread in self._threads:
            thread.start()

    def _collect(self, name: str, file: IO[bytes]) -> None:
        while chunk := os.read(file.fileno(), 1 << 16):
            with self._changed:
                setattr(self, name, getattr(self, name) + chunk)
                self._changed.notify_all()

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the output fulfils the condition."""
        with self._changed:
            fulfilled = self._changed.wait_for(condition, PATIENCE)
        assert fulfilled, f"{self.process.args!r}: {self.out[-2000:]!r} {self.err[-2000:]!r}"

    def until_attached(self, programs: int = 1) -> None:
        """Wait until so many programs are attached; it was started with -v."""
        self.until(lambda: self.err.count(b": attached to ") >= programs)

    def metrics(self) -> str:
        """Wait for the address of its metrics, and return it; it was started with -v."""
        self.until(lambda: b"/metrics\n" in self.err)
        found = re.search(rb"metrics: (http://\S+)\n", self.err)
        assert found
        return found[1].decode()

    def end(self, number: int = signal.SIGINT) -> Done:
        """Send a signal, and wait for the end."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> Done:
        """Wait for the end."""
        self.process.wait(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)
        return Done(
            self.process.returncode, self.out.decode("utf-8", "surrogateescape"), self.err.decode()
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join()
        for file in (self.process.stdout, self.process.stderr):
            if file:
                file.close()


class Beepy(NamedTuple):
    """How beepy is started; ``variables`` go into its environment."""

    home: Path
    variables: Mapping[str, str] = {}
    prefix: tuple[str, ...] = ()

    def start(self, *arguments: str, stdout: int | None = None) -> Running:
        """Start it; use it as a context manager."""
        return Running(
            [*self.prefix, *BEEPY, *arguments],
            environment(self.home, self.variables),
            stdout=stdout,
        )

    def __call__(self, *arguments: str, stdout: int | None = None) -> Done:
        """Run it to its end."""
        with self.start(*arguments, stdout=stdout) as running:
            return running.wait()
