"""Write rows to a file, a pipe or a terminal: the loop that JSON lines and columns share."""

import os
import select
import stat
from typing import AnyStr, ClassVar, Final

from beepy.errors import OutputError
from beepy.events.batch import Batch
from beepy.events.decoder import View

CHUNK: Final = 1 << 18  # bytes: rows are written once so many are formatted, and after each batch


class RowWriter:
    """Writes to a file descriptor, which the caller owns, without a buffer of its own.

    A reader that closed the pipe raises BrokenPipeError, which ends a run like Ctrl-C. Other
    failures raise OutputError, and a regular file is left with whole lines. ``name`` is the file's
    in messages.
    """

    written: ClassVar[int] = 0
    """Bytes written by all writers: while it grows, the other side is reading."""

    def __init__(self, fd: int, name: str = "standard output") -> None:
        self._fd = fd
        self._name = name

    def write_rows(self, row_format: AnyStr, view: View, batch: Batch) -> None:
        """Write ``row_format``, a ``%`` format for one row's values, for each row of the batch.

        A format of bytes is faster than text, but takes only bytes and numbers.
        """
        formats: dict[int, AnyStr] = {}  # number of rows -> the format repeated
        texts: list[AnyStr] = []
        empty, size = row_format[:0], 0
        for values, count in view.rows(batch):
            if count not in formats:
                formats[count] = row_format * count
            texts.append(formats[count] % values)
            size += len(texts[-1])
            if size >= CHUNK:
                self.write(empty.join(texts))
                texts.clear()
                size = 0
        self.write(empty.join(texts))

    def write(self, text: str | bytes) -> None:
        """Write all of ``text``, a str as UTF-8; wait while the other side is slow."""
        raw = text.encode() if isinstance(text, str) else text
        rest = memoryview(raw)
        while rest:
            try:
                size = os.write(self._fd, rest)
            except BrokenPipeError:
                raise
            except BlockingIOError:  # O_NONBLOCK is the open file's: another process may set it
                select.select([], [self._fd], [])
            except OSError as error:
                self._remove_partial_line(raw[: len(raw) - len(rest)])
                why = os.strerror(error.errno or 0).lower()
                raise OutputError(f"{self._name}: write: {why}") from error
            else:
                RowWriter.written += size
                rest = rest[size:]

    def _remove_partial_line(self, written: bytes) -> None:
        """Truncate a regular file by the incomplete line at the end of ``written``."""
        length = len(written) - (written.rfind(b"\n") + 1)
        try:
            status = os.fstat(self._fd)
            if not length or not stat.S_ISREG(status.st_mode):
                return
            end = os.lseek(self._fd, 0, os.SEEK_CUR)
            if end == status.st_size:  # else another process has appended to the file
                os.ftruncate(self._fd, end - length)
                os.lseek(self._fd, end - length, os.SEEK_SET)
        except OSError:  # the write's own error is the one to report
            return
