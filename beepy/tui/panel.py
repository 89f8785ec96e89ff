"""The widget of a map that is no rows: histograms as bars that move, counts."""

import re
import time
from typing import ClassVar, Final

from rich.segment import Segment
from textual import events
from textual.strip import Strip
from textual.widget import Widget

from beepy.outputs.columns.panel import Drawing, PanelOrder
from beepy.tui import styles
from beepy.tui.line import Segments
from beepy.tui.marks import sort_mark, sorted_by
from beepy.tui.model import MapModel

_SLOT: Final = re.compile(r"^(.* : (\d+) +)\|\**( *)\|?.?$")
_EIGHTHS: Final = " ▏▎▍▌▋▊▉"


class PanelView(Widget, can_focus=True):
    """What a panel draws, fitted to the widget."""

    DEFAULT_CSS: ClassVar[str] = "PanelView { height: 1fr; min-height: 5; }"

    def __init__(self, model: MapModel) -> None:
        super().__init__()
        self.model = model
        self.column = 0  # the position of a name that it can be sorted by
        self.sort: PanelOrder | None = None
        self._version = -1
        self._drawing = Drawing([])
        self._segments: list[Segments] | None = None  # None: to be made
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
            self.redraw()

    def redraw(self) -> None:
        """Draw everything anew."""
        self._segments = None
        self.refresh()

    def pause(self, *, paused: bool) -> None:
        """Freeze it, or go on."""
        self.paused = paused
        self.model.hold(held=paused)
        self.redraw()

    @property
    def names(self) -> tuple[str, ...]:
        """What it can be sorted by."""
        panel = self.model.panel
        return panel.sorting.names if panel and panel.sorting and self._drawing.places else ()

    def move_column(self, step: int) -> None:
        """Choose the next name to the right (1) or to the left (-1) of those that are shown."""
        self._visible()
        shown = list(dict.fromkeys([place.column for place in self._drawing.places]))
        if shown:
            at = shown.index(self.column) + step if self.column in shown else 0
            self.column = shown[max(min(at, len(shown) - 1), 0)]
            self.redraw()

    def sort_by(self, column: int) -> bool:
        """Sort by a name: the largest first, then the smallest, then as before.

        Return whether there is something to sort.
        """
        self._visible()
        if not self.names:
            return False
        if self.sort is None or self.sort.column != column:
            self.sort = PanelOrder(column, largest_first=True)
        else:
            self.sort = PanelOrder(column, largest_first=False) if self.sort.largest_first else None
        self.redraw()
        return True

    def plain_lines(self) -> list[str]:
        """Return what is on the screen as lines of text."""
        self._visible()
        return self._drawing.lines

    def _visible(self) -> list[Segments]:
        if self._segments is None:
            columns = max(self.size.width - 1, 1)  # behind the last heading there may be a mark
            self._drawing = self.model.draw(columns, self.size.height, self.sort)
            self._segments = _drawn(self._drawing, self.size.width)
            for number in {place.line for place in self._drawing.places}:
                self._segments[number] = self._named(number)
        return self._segments

    def _named(self, number: int) -> Segments:
        """Return a line that has names, with marks of the one that is chosen, or sorted by."""
        line = self._drawing.lines[number]
        is_heading = number in self._drawing.headings
        base = styles.HEADING if is_heading else styles.PLAIN
        segments, at = [], 0
        for _, start, end, column in [p for p in self._drawing.places if p.line == number]:
            is_chosen = column == self.column and self.has_focus and len(self.names) > 1
            mark = sort_mark(self.sort) if self.sort and self.sort.column == column else ""
            segments.append(Segment(line[at:start], base))
            segments.append(Segment(line[start:end], styles.CHOSEN if is_chosen else base))
            segments.append(Segment(mark, base))
            at = end + len(mark) * is_heading  # there are blanks, for the width of the column
        return [*segments, Segment(line[at:], base)]

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        lines = self._visible()
        if y >= len(lines):
            return Strip.blank(self.size.width)
        segments = lines[y] if y else self._title_segments(self._drawing.lines[0])
        return Strip(segments).adjust_cell_length(self.size.width)

    def _title_segments(self, line: str) -> Segments:
        segments = [Segment(line, styles.TITLE), Segment(self._rate, styles.DIM)]
        if self.sort and self.sort.column < len(self.names):
            segments.append(
                Segment(f"  {sorted_by(self.names[self.sort.column], self.sort)}", styles.NOTE)
            )
        return [*segments, Segment("  paused", styles.NOTE)] if self.paused else segments

    def on_click(self, event: events.Click) -> None:
        """Sort by the name that is clicked."""
        self.focus()
        for place in self._drawing.places:
            if place.line == event.y and place.start <= event.x < place.end:
                self.column = place.column
                self.sort_by(place.column)

    def on_focus(self) -> None:
        """Show that it has the keys."""
        self.redraw()

    def on_blur(self) -> None:
        """Show that another one has them."""
        self.redraw()

    def on_resize(self) -> None:
        """Fit the lines to the new size."""
        self.redraw()


def _drawn(drawing: Drawing, columns: int) -> list[Segments]:
    """Return the lines of a panel; histograms get bars that end where the line does."""
    drawn: list[Segments] = []
    lines = drawing.lines
    counts = [int(slot[2]) if (slot := _SLOT.match(line)) else -1 for line in lines]
    for index, line in enumerate(lines):
        slot = _SLOT.match(line)
        if slot is None:
            style = styles.HEADING if index in drawing.headings else styles.PLAIN
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
