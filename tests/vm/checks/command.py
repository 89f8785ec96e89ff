"""Run ``beepy run`` in a process of its own: the command line, without a second interpreter."""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from types import TracebackType
from typing import Any, Final, Self

from beepy.__main__ import main

_IMPORTED: Final = (  # what the command imports late: here once, before it is forked
    *("beepy.cli.app", "beepy.cli.session", "beepy.streams", "beepy.hooks.tracepoint"),
    *("beepy.outputs.jsonl", "beepy.outputs.prometheus", "beepy.outputs.metric_options"),
)
for _name in _IMPORTED:
    import_module(_name)

# Until what is waited for must have come, on a machine that is busy with other things.
_SECONDS: Final = 100


class Run:
    """The running command ``pid``, which must exit with 0 on SIGINT; ``told`` is its stderr."""

    def __init__(self, *arguments: str) -> None:
        self.told = ""
        self._rows = ""
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        self.pid = os.fork()
        if not self.pid:
            _become(arguments, out_end, err_end)
        os.close(out_end)
        os.close(err_end)
        self._out, self._err = out, err

    def attached(self, programs: int) -> None:
        """Return once that many programs are attached (-v says it)."""
        self._until(lambda: self.told.count(": attached to ") >= programs)

    def line(self, part: str) -> None:
        """Return once stderr has this in it."""
        self._until(lambda: part in self.told)

    def row(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """Return the first row that fits, once it has come."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found.extend([row for row in map(json.loads, self._lines()) if wanted(row)])
            return bool(found)

        self._until(look)
        return found[0]

    def _lines(self) -> Sequence[str]:
        *lines, self._rows = self._rows.split("\n")
        return lines

    def _until(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + _SECONDS
        open_ = {self._out, self._err}
        while not done():
            left = end - time.monotonic()
            ready, _, _ = select.select(open_, (), (), max(left, 0)) if open_ else ([], [], [])
            assert ready, "nothing comes any more"
            for fd in ready:
                text = os.read(fd, 1 << 16).decode("utf-8", "replace")
                if not text:
                    open_.discard(fd)
                elif fd == self._out:
                    self._rows += text
                else:
                    self.told += text

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        os.kill(self.pid, signal.SIGINT)
        os.close(self._out)
        while text := os.read(self._err, 1 << 16):
            self.told += text.decode("utf-8", "replace")
        os.close(self._err)
        _, status = os.waitpid(self.pid, 0)
        if error is None:
            assert os.waitstatus_to_exitcode(status) == 0, self.told
        else:
            error.add_note(self.told)


def _become(arguments: Sequence[str], out: int, err: int) -> None:
    """Be the command, and nothing else."""
    code = 1
    try:
        os.dup2(out, 1)
        os.dup2(err, 2)
        for fd in range(3, 1024):
            try:
                os.close(fd)
            except OSError:
                continue
        sys.stdout = open(1, "w", closefd=False)
        sys.stderr = open(2, "w", buffering=1, closefd=False)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.argv = ["beepy", "run", *arguments]
        code = main()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
