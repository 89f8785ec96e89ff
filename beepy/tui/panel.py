"""The widget of a map that is no rows: histograms as bars that move, counts."""

import re
import time
from collections.abc import Sequence
from typing import ClassVar, Final

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from beepy.tui import styles
from beepy.tui.line import Segments
from beepy.tui.model import MapModel

_SLOT: Final = re.compile(r"^(.* : (\d+) +)\|\**( *)\|?.?$")
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"


class PanelView(Widget, can_focus=True):
    """What a panel draws, fitted to the widget."""

    DEFAULT_CSS: ClassVar[str] = "PanelView { height: 1fr; min-height: 5; }"

    def __init__(self, model: MapModel) -> None:
        super().__init__()
        self.model = model
        self._version = -1
        self._lines: list[str] = []
        self._drawn: list[Segments] | None = None  # None: to be made
        self.paused = False
        self._counted = (time.monotonic(), 0)  # and how many events there were
        self._rate = ""

    def tick(self) -> None:
        """Show what has changed since the last time."""
        now, (before, events) = time.monotonic(), self._counted
        if self.model.schema.is_stream and now - before >= 1:
            self._counted = now, self.model.total
            self._rate = f"  {(self.model.total - events) / (now - before):,.0f}/s"
        if self.model.version != self._version and not self.paused:
            self._version = self.model.version
            self._drawn = None
            self.refresh()

    def pause(self, *, paused: bool) -> None:
        """Freeze it, or go on."""
        self.paused = paused
        if not paused:
            self._drawn = None
        self.refresh()

    def plain_lines(self) -> list[str]:
        """Return what is on the screen as lines of text."""
        self._visible()
        return self._lines

    def _visible(self) -> list[Segments]:
        if self._drawn is None:
            self._lines = self.model.lines(self.size.width, self.size.height)
            self._drawn = _drawn(self._lines, self.size.width)
        return self._drawn

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        lines = self._visible()
        if y >= len(lines):
            return Strip.blank(self.size.width)
        segments = lines[y] if y else self._title_segments(self._lines[0])
        return Strip(segments).adjust_cell_length(self.size.width)

    def _title_segments(self, line: str) -> Segments:
        segments = [Segment(line, styles.TITLE), Segment(self._rate, styles.DIM)]
        return [*segments, Segment("  paused", styles.NOTE)] if self.paused else segments

    def on_resize(self) -> None:
        """Fit the lines to the new size."""
        self._drawn = None
        self.refresh()


def _drawn(lines: Sequence[str], columns: int) -> list[Segments]:
    """Return the lines of a panel; histograms get bars that end where the line does."""
    drawn: list[Segments] = []
    counts = [int(slot[2]) if (slot := _SLOT.match(line)) else -1 for line in lines]
    for index, line in enumerate(lines):
        slot = _SLOT.match(line)
        if slot is None:
            style = styles.HEADING if line.endswith(" distribution") else styles.PLAIN
            drawn.append([Segment(line, style)])
            continue
        # the slots of this histogram are the lines around that are slots
        first = max([at for at in range(index) if counts[at] < 0], default=-1)
        last = min([at for at in range(index, len(lines)) if counts[at] < 0], default=len(lines))
        largest = max(counts[first + 1 : last]) or 1
        bar = _bar(counts[index] / largest * max(columns - len(slot[1]) - 1, 4))
        drawn.append([Segment(slot[1]), Segment(bar, styles.BAR)])
    return drawn


def _bar(columns: float) -> str:
    """Return a bar of so many columns, to an eighth of one."""
    eighths = round(columns * 8)
    return ("█" * (eighths // 8) + _EIGHTHS[eighths % 8]).rstrip()
