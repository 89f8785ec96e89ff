"""Write rows to a file, a pipe or a terminal: the loop that JSON lines and columns share."""

import os
import select
import stat
from typing import TYPE_CHECKING, AnyStr, ClassVar, Final

from beepy.errors import OutputError
from beepy.events.batch import Batch
from beepy.events.decoder import View

if TYPE_CHECKING:
    from beepy.outputs.frames import Frames  # few outputs are compressed

CHUNK: Final = 1 << 18  # bytes: rows are written once so many are formatted, and after each batch


class RowWriter:
    """Writes to a file descriptor, which the caller owns, without a buffer of its own.

    A reader that closed the pipe raises BrokenPipeError, which ends a run like Ctrl-C. Other
    failures raise OutputError, and a regular file is left with whole lines, or whole writes where
    these are ``binary``. ``name`` is the file's in messages. With ``frames`` all is compressed, and
    what is pending is written a second later, with the next write, or by ``flush``.
    """

    written: ClassVar[int] = 0
    """Bytes written by all writers: while it grows, the other side is reading."""

    def __init__(
        self,
        fd: int,
        name: str = "standard output",
        frames: "Frames | None" = None,
        *,
        binary: bool = False,
    ) -> None:
        self.fd = fd
        self.size = 0  # bytes written by this one
        self._name = name
        self._frames = frames
        self._binary = binary or frames is not None
        self.failed = False  # nothing is written any more

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
        if self._frames:
            raw = self._frames.add(raw)
        self.write_bytes(raw)

    def write_bytes(self, raw: bytes) -> None:
        """Write bytes as they are in the file; nothing after a failure, which would be a gap."""
        rest = memoryview(b"" if self.failed else raw)
        while rest:
            try:
                size = os.write(self.fd, rest)
            except BrokenPipeError:
                raise
            except BlockingIOError:  # O_NONBLOCK is the open file's: another process may set it
                select.select([], [self.fd], [])
            except OSError as error:
                self.failed = True
                self._remove_partial(raw[: len(raw) - len(rest)])
                why = os.strerror(error.errno or 0).lower()
                raise OutputError(f"{self._name}: write: {why}") from error
            else:
                RowWriter.written += size
                self.size += size
                rest = rest[size:]

    def flush(self) -> None:
        """Write what is pending in the last frame."""
        if self._frames:
            self.write_bytes(self._frames.end())

    def _remove_partial(self, written: bytes) -> None:
        """Truncate a regular file by what is incomplete at the end of ``written``."""
        length = len(written) - (0 if self._binary else written.rfind(b"\n") + 1)
        try:
            status = os.fstat(self.fd)
            if not length or not stat.S_ISREG(status.st_mode):
                return
            end = os.lseek(self.fd, 0, os.SEEK_CUR)
            if end == status.st_size:  # else another process has appended to the file
                os.ftruncate(self.fd, end - length)
                os.lseek(self.fd, end - length, os.SEEK_SET)
        except OSError:  # the write's own error is the one to report
            return
