"""The last line: a message for some seconds, else the keys."""

from collections import deque
from typing import Final

from rich.segment import Segment

from beepy.tui import keys, styles
from beepy.tui.line import Line, Segments

_TICKS: Final = 25  # for which a message is shown
_MAX_KEPT: Final = 1000  # messages


class Foot:
    """Makes the last line; ``kept`` are the last messages that are printed again after the end."""

    def __init__(self) -> None:
        self.kept: deque[str] = deque(maxlen=_MAX_KEPT)
        self.line = Line(self._segments, id="foot")
        self._text = ""
        self._left = 0  # ticks

    def tell(self, text: str, *, keep: bool = False) -> None:
        """Show a message for a while."""
        self._text, self._left = text, _TICKS
        if keep:
            self.kept.append(text)
        self.line.refresh()

    def tick(self) -> None:
        """Let time pass."""
        if self._left:
            self._left -= 1
            if not self._left:
                self.line.refresh()

    def _segments(self, _: int) -> Segments:
        if self._left:
            return [Segment(self._text, styles.NOTE)]
        segments = []
        for row in keys.TABLE:
            if row.brief:
                first = row.shown.partition(" ")[0]
                segments += [Segment(first, styles.KEY), Segment(f" {row.brief}  ", styles.DIM)]
        return segments
