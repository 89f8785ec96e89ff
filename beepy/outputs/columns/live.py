"""A block of lines at the bottom of a terminal that is drawn again in place; rows go above it.

The cursor waits on the block's first line, which is empty. So a warning that somebody else writes meanwhile is not
overwritten: the next drawing begins below it.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from beepy.outputs.columns.terminal import Size, Terminal
from beepy.outputs.row_writer import CHUNK, RowWriter
from beepy.width import width

_PERIOD: Final = 0.2  # seconds between two drawings
_ERASE: Final = "\r\x1b[J"  # to the end of the screen
_UP: Final = "\x1b[{}A"


class Live:
    """Draws the lines that ``lines`` gives, at most five times a second; what comes in between is drawn later.

    A thread draws what waits when nothing else comes: whoever changes what ``lines`` reads holds ``lock``. It is one
    for the whole run, and starts at once: before anything is attached, so that no program sees it come.
    """

    def __init__(self, out: RowWriter, terminal: Terminal, lines: Callable[[Size], list[str]]) -> None:
        self.lock = threading.Condition()
        self._out = out
        self._terminal = terminal
        self._lines = lines
        self._above: list[str] = []
        self._waiting = 0  # characters in it
        self._block: list[str] = []  # what is on the screen
        self._drawn = float("-inf")
        self._changed = False  # since it was drawn
        self._failed: Exception | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._late, daemon=True)
        self._thread.start()

    @property
    def height(self) -> int:
        """How many lines the block has."""
        return len(self._block)

    def above(self, text: str) -> None:
        """Print rows above the block, with its next drawing."""
        with self.lock:
            self._above.append(text)
            self._waiting += len(text)
            self.changed()

    def changed(self) -> None:
        """Let the block be drawn again, now or when it is time; raise what a late drawing met."""
        with self.lock:
            self._raise()
            if self._left() <= 0 or self._waiting >= CHUNK:
                self._draw()
            elif not self._changed:
                self._changed = True
                self.lock.notify()

    def close(self) -> None:
        """Draw a last time; the block stays, and the cursor stands below it."""
        with self.lock:
            self._closed = True
            self.lock.notify()
        self._thread.join()
        self._raise()
        self._draw(last=True)

    def _late(self) -> None:
        """Draw what has changed when it is time, until all is closed."""
        with self.lock:
            while not self._closed:
                if not self._changed:
                    self.lock.wait()
                elif (left := self._left()) > 0:
                    self.lock.wait(left)
                else:
                    try:
                        self._draw()
                    except Exception as error:  # noqa: BLE001 - whoever writes next is told
                        self._failed = error

    def _left(self) -> float:
        """Return how long (seconds) the next drawing must wait."""
        return self._drawn + _PERIOD - time.monotonic()

    def _raise(self) -> None:
        if self._failed:
            failed, self._failed = self._failed, None
            raise failed

    def _draw(self, *, last: bool = False) -> None:
        self._changed = False
        size = self._terminal.size()
        screen = (size.height or 2) - 1
        lines = self._lines(size)
        while sum(_heights(lines, size)) > screen:
            lines = lines[:-1]
        erase = _ERASE if self._block else ""
        back = _UP.format(sum(_heights(lines, size))) if lines and not last else ""
        above, self._above, self._waiting = "".join(self._above), [], 0
        self._block = lines
        self._drawn = time.monotonic()
        self._out.write("".join([erase, above, *[f"{line}\n" for line in lines], back]))


def _heights(lines: Sequence[str], size: Size) -> list[int]:
    """Return how many rows of the terminal each line takes."""
    return [-(-max(width(line), 1) // size.wraps) for line in lines]
