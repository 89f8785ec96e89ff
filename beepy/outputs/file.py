"""The file, pipe or terminal that rows go to."""

import os
import select
import stat
from typing import AnyStr, ClassVar, Final

from beepy.errors import OutputError
from beepy.events.batch import Batch
from beepy.events.decoder import View

CHUNK: Final = 1 << 18  # bytes: rows are written when so many have come together, and at the end of their batch


class RowWriter:
    """Writes to a file descriptor that stays the caller's, without a buffer of its own.

    A reader that went away is the system's BrokenPipeError, which ends a run as Ctrl-C does; every other failure is an
    OutputError, and leaves a regular file with whole lines. ``name`` is for its message.
    """

    written: ClassVar[int] = 0
    """Bytes that all of them have written: while it grows, somebody reads."""

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
        raw = text.encode() if isinstance(text, str) else text
        rest = memoryview(raw)
        while rest:
            try:
                size = os.write(self._fd, rest)
            except BrokenPipeError:
                raise
            except BlockingIOError:  # somebody else made it non-blocking, which is a matter of the open file
                select.select([], [self._fd], [])
            except OSError as error:
                self._cut(raw[: len(raw) - len(rest)])
                raise OutputError(f"{self._name}: write: {os.strerror(error.errno or 0).lower()}") from error
            else:
                RowWriter.written += size
                rest = rest[size:]

    def _cut(self, written: bytes) -> None:
        """Take the line that ``written`` ends in, but does not end, back out of a regular file."""
        begun = len(written) - (written.rfind(b"\n") + 1)
        try:
            status = os.fstat(self._fd)
            if not begun or not stat.S_ISREG(status.st_mode):
                return
            end = os.lseek(self._fd, 0, os.SEEK_CUR)
            if end == status.st_size:  # nobody else wrote behind it
                os.ftruncate(self._fd, end - begun)
                os.lseek(self._fd, end - begun, os.SEEK_SET)
        except OSError:  # of a file that fails: the first error is the one to report
            return
