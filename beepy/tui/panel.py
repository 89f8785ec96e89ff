"""The widget of a map that is no rows: histograms as bars that move, counts."""

import re
from typing import ClassVar, Final

from rich.segment import Segment
from textual.strip import Strip
from textual.widget import Widget

from beepy.tui import styles
from beepy.tui.line import Segments
from beepy.tui.model import MapModel

_BAR: Final = re.compile(r"^(.*: \d+ +)\|(\*+)( *)\|$")


class PanelView(Widget, can_focus=True):
    """What a panel draws, fitted to the widget."""

    DEFAULT_CSS: ClassVar[str] = "PanelView { height: 1fr; min-height: 5; }"

    def __init__(self, model: MapModel, title: str) -> None:
        super().__init__()
        self.model = model
        self._title = title
        self._version = -1
        self._lines: list[str] | None = None
        self.paused = False

    def tick(self) -> None:
        """Show what has changed since the last time."""
        if self.model.version != self._version and not self.paused:
            self._version = self.model.version
            self._lines = None
            self.refresh()

    def pause(self, *, paused: bool) -> None:
        """Freeze it, or go on."""
        self.paused = paused
        self._lines = self._lines if paused else None
        self.refresh()

    def plain_lines(self) -> list[str]:
        """Return what is on the screen as lines of text."""
        return self._visible()

    def _visible(self) -> list[str]:
        if self._lines is None:
            self._lines = self.model.lines(self.size.width, self.size.height)
        return self._lines

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        lines = self._visible()
        if y >= len(lines):
            return Strip.blank(self.size.width)
        segments = _segments(lines[y]) if y else self._title_segments(lines[0])
        return Strip(segments).adjust_cell_length(self.size.width)

    def _title_segments(self, line: str) -> Segments:
        segments = [Segment(line, styles.TITLE)]
        return [*segments, Segment("  paused", styles.NOTE)] if self.paused else segments

    def on_focus(self) -> None:
        """Do nothing yet: it has no cursor."""

    def on_resize(self) -> None:
        """Fit the lines to the new size."""
        self._lines = None
        self.refresh()


def _segments(line: str) -> Segments:
    """Return a line of a panel; the stars of a histogram become a bar."""
    bar = _BAR.match(line)
    if not bar:
        style = styles.HEADING if "distribution" in line else styles.PLAIN
        return [Segment(line, style)]
    return [Segment(f"{bar[1]} "), Segment("█" * len(bar[2]), styles.BAR)]
