"""A block of lines at the bottom of a terminal that is redrawn in place; rows are printed above it.

The cursor stays on the block's first line, which is empty. A warning that another writer prints
meanwhile is not overwritten: the block is drawn below it.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from beepy import threads
from beepy.outputs.columns.terminal import Size, Terminal
from beepy.outputs.row_writer import CHUNK, RowWriter
from beepy.width import width

_PERIOD: Final = 0.2  # seconds between two drawings
_ERASE: Final = "\r\x1b[J"  # from the cursor's line to the end of the screen
_UP: Final = "\x1b[{}A"


class LiveBlock:
    """Draws the lines that ``lines`` returns, at most five times a second.

    From ``start`` on a thread draws changes that came too soon after the last drawing. Hold
    ``lock`` to change what ``lines`` reads.
    """

    def __init__(
        self, writer: RowWriter, terminal: Terminal, lines: Callable[[Size], list[str]]
    ) -> None:
        self.lock = threading.Condition()
        self._writer = writer
        self._terminal = terminal
        self._lines = lines
        self._rows: list[str] = []  # to print above the block with its next drawing
        self._rows_size = 0  # characters
        self._drawn_lines: list[str] = []  # on the screen
        self._drawn_at = float("-inf")
        self._changed = False  # since it was drawn
        self._error: Exception | None = None  # of the thread
        self._closed = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the one thread of a run."""
        self._thread = threads.start(self._draw_late, "columns")

    @property
    def height(self) -> int:
        """The number of lines of the block."""
        return len(self._drawn_lines)

    def print_above(self, text: str) -> None:
        """Print rows above the block, with its next drawing."""
        with self.lock:
            self._rows.append(text)
            self._rows_size += len(text)
            self.update()

    def update(self) -> None:
        """Draw the block, now or when its period is over. Raises the error of a late drawing."""
        with self.lock:
            self._raise_error()
            if self._seconds_left() <= 0 or self._rows_size >= CHUNK:
                self._draw()
            elif not self._changed:
                self._changed = True
                self.lock.notify()

    def close(self) -> None:
        """Draw a last time; the block stays on the screen, with the cursor below it."""
        with self.lock:
            self._closed = True
            self.lock.notify()
        if self._thread:
            self._thread.join()
        self._raise_error()
        self._draw(last=True)

    def _draw_late(self) -> None:
        """Draw changes when the period is over, until ``close``; the thread's function."""
        with self.lock:
            while not self._closed:
                if not self._changed:
                    self.lock.wait()
                elif (left := self._seconds_left()) > 0:
                    self.lock.wait(left)
                else:
                    try:
                        self._draw()
                    except Exception as error:  # noqa: BLE001 - raised by the next update
                        self._error = error

    def _seconds_left(self) -> float:
        """Return the seconds until the next drawing may be."""
        return self._drawn_at + _PERIOD - time.monotonic()

    def _raise_error(self) -> None:
        if self._error:
            error, self._error = self._error, None
            raise error

    def _draw(self, *, last: bool = False) -> None:
        self._changed = False
        size = self._terminal.size()
        max_height = (size.height or 2) - 1
        lines = self._lines(size)
        while sum(_heights(lines, size)) > max_height:
            lines = lines[:-1]
        erase = _ERASE if self._drawn_lines else ""
        up = _UP.format(sum(_heights(lines, size))) if lines and not last else ""
        rows, self._rows, self._rows_size = "".join(self._rows), [], 0
        self._drawn_lines = lines
        self._drawn_at = time.monotonic()
        self._writer.write("".join([erase, rows, *[f"{line}\n" for line in lines], up]))


def _heights(lines: Sequence[str], size: Size) -> list[int]:
    """Return how many rows of the terminal each line takes."""
    return [-(-max(width(line), 1) // size.wraps) for line in lines]
