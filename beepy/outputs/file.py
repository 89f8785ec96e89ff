"""The file, pipe or terminal that rows go to."""

import os
import select
from typing import AnyStr, Final

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

    def rows(self, line: AnyStr, view: View, batch: Batch) -> None:
        """Write ``line``, a format for one row's values, for every row of the batch.

        Formats of bytes are the faster ones, where all that they are filled with is bytes and numbers.
        """
        formats: dict[int, AnyStr] = {}
        lines: list[AnyStr] = []
        nothing, size = line[:0], 0
        for values, count in view.rows(batch):
            if count not in formats:
                formats[count] = line * count
            lines.append(formats[count] % values)
            size += len(lines[-1])
            if size >= CHUNK:
                self.write(nothing.join(lines))
                lines.clear()
                size = 0
        self.write(nothing.join(lines))

    def write(self, text: str | bytes) -> None:
        """Write all of it, as UTF-8, waiting where the other side is slow."""
        rest = memoryview(text.encode() if isinstance(text, str) else text)
        while rest:
            try:
                rest = rest[os.write(self._fd, rest) :]
            except BrokenPipeError:
                raise
            except BlockingIOError:  # somebody else made it non-blocking, which is a matter of the open file
                select.select([], [self._fd], [])
            except OSError as error:
                raise OutputError(f"{self._name}: write: {os.strerror(error.errno or 0).lower()}") from error
