"""The last line: a message for some seconds, else the keys."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from rich.segment import Segment

from beepy.text import safe
from beepy.tui import keys, styles
from beepy.tui.line import Line, Segments

_TICKS: Final = 25  # for which a message is shown
_GAP: Final = 2  # columns between two keys
_MAX_KEPT: Final = 1000  # messages


class Foot:
    """Makes the last line; ``kept`` are the last messages that are printed again after the end.

    ``words`` returns those of actions that are not the usual ones now, "" of a key that does
    nothing.
    """

    def __init__(self, words: Callable[[], Mapping[str, str]]) -> None:
        self.kept: deque[str] = deque(maxlen=_MAX_KEPT)
        self._words = words
        self.line = Line(self._segments, id="foot")
        self._text = ""
        self._left = 0  # ticks

    def tell(self, text: str) -> None:
        """Show a message for a while."""
        self._text, self._left = text, _TICKS
        self.line.refresh()

    def keep(self, text: str) -> None:
        """Show the lines of a text that anybody may have written, and keep them."""
        for line in map(safe, text.splitlines()):
            if line.strip():
                self.kept.append(line)
                self.tell(line)

    def tick(self) -> None:
        """Let time pass."""
        if self._left:
            self._left -= 1
            if not self._left:
                self.line.refresh()

    def _segments(self, columns: int) -> Segments:
        if self._left:
            return [Segment(self._text, styles.NOTE)]
        segments = []
        for key, brief in fitting(columns, self._words()):
            segments += [Segment(key, styles.KEY), Segment(f" {brief}  ", styles.DIM)]
        return segments


def fitting(columns: int, words: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the keys that a line has room for, in their order, each with its word."""
    chosen, room = {}, columns + _GAP
    for row in sorted([row for row in keys.TABLE if row.brief], key=lambda row: row.rank):
        if brief := words.get(row.action, row.brief):
            first = row.shown.partition(" ")[0]
            room -= len(f"{first} {brief}") + _GAP
            if room < 0:
                break
            chosen[row] = first, brief
    return [chosen[row] for row in keys.TABLE if row in chosen]
