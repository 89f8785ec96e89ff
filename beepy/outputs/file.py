"""The file, pipe or terminal that rows go to."""

import os
import select
from typing import Final

from beepy.errors import OutputError
from beepy.events.batch import Batch
from beepy.events.decoder import View

CHUNK: Final = 1 << 18  # bytes: rows are written when so many have come together, and at the end of their batch


class Rows:
    """Writes to a file descriptor that stays the caller's, without a buffer of its own.

    A reader that went away is the system's BrokenPipeError, which ends a run as Ctrl-C does; every other failure is an
    OutputError. ``name`` is for its message.
    """

    def __init__(self, fd: int, name: str = "standard output") -> None:
        self._fd = fd
        self._name = name

    def rows(self, line: str, view: View, batch: Batch) -> None:
        """Write ``line``, a format for one row's values, for every row of the batch."""
        formats: dict[int, str] = {}
        lines: list[str] = []
        size = 0
        for values, count in view.rows(batch):
            if count not in formats:
                formats[count] = line * count
            lines.append(formats[count] % values)
            size += len(lines[-1])
            if size >= CHUNK:
                self.write("".join(lines))
                lines.clear()
                size = 0
        self.write("".join(lines))

    def write(self, text: str) -> None:
        """Write all of it, waiting where the other side is slow; UTF-8."""
        rest = memoryview(text.encode())
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BrokenPipeError:
                raise
            except BlockingIOError:  # somebody else made it non-blocking, which is a matter of the open file
                select.select([], [self._fd], [])
            except OSError as error:
                raise OutputError(f"{self._name}: write: {os.strerror(error.errno or 0).lower()}") from error
