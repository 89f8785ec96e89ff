"""Widgets of plain lines: one line, and a list with a cursor."""

from collections.abc import Callable, Sequence
from typing import ClassVar, TypeAlias

from rich.segment import Segment
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from beepy.tui import styles
from beepy.width import truncate, width

Segments: TypeAlias = list[Segment]


class Line(Widget):
    """One line; ``segments`` returns what it shows at a width, which is cut there."""

    DEFAULT_CSS: ClassVar[str] = "Line { height: 1; }"

    def __init__(self, segments: Callable[[int], Segments], *, id: str | None = None) -> None:  # noqa: A002 - textual's word
        super().__init__(id=id)
        self._segments = segments
        self._drawn: Segments = []

    def update(self) -> None:
        """Draw it anew, if it shows something else than before."""
        if self._segments(self.size.width) != self._drawn:
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return the line."""
        if y:
            return Strip.blank(self.size.width)
        self._drawn = self._segments(self.size.width)
        return Strip(cut(self._drawn, self.size.width)).adjust_cell_length(self.size.width)


class Listing(Widget, can_focus=True):
    """Lines with a cursor, which the keys move; they scroll with it."""

    DEFAULT_CSS: ClassVar[str] = "Listing { height: 1fr; }"

    class Chosen(Message):
        """Enter was pressed on a line."""

        def __init__(self, index: int) -> None:
            super().__init__()
            self.index = index

    BINDINGS: ClassVar = [
        ("up,k", "move(-1)"),
        ("down,j", "move(1)"),
        ("pageup", "page(-1)"),
        ("pagedown", "page(1)"),
        ("home,g", "move(-1000000)"),
        ("end,G", "move(1000000)"),
        ("enter", "choose"),
    ]

    def __init__(self, lines: Sequence[Segments] = (), *, shows_cursor: bool = True) -> None:
        super().__init__()
        self.lines = list(lines)
        self._shows_cursor = shows_cursor
        self.cursor = 0
        self._top = 0

    def replace(self, lines: Sequence[Segments]) -> None:
        """Show other lines; the cursor stays where it is."""
        self.lines = list(lines)
        self.cursor = max(min(self.cursor, len(self.lines) - 1), 0)
        self.refresh()

    def action_move(self, step: int) -> None:
        """Move the cursor."""
        if not self._shows_cursor:  # it is at the edge that lines come in from
            edge = self._top if step < 0 else self._top + max(self.size.height - 1, 0)
            self.cursor = edge
        self.cursor = max(min(self.cursor + step, len(self.lines) - 1), 0)
        self.refresh()

    def action_page(self, step: int) -> None:
        """Move the cursor by a screenful."""
        self.action_move(step * max(self.size.height - 1, 1))

    def action_choose(self) -> None:
        """Choose the line under the cursor."""
        if self.lines:
            self.post_message(self.Chosen(self.cursor))

    def on_mouse_scroll_up(self) -> None:
        """Go up."""
        self.action_move(-3)

    def on_mouse_scroll_down(self) -> None:
        """Go down."""
        self.action_move(3)

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        height, columns = self.size.height, self.size.width
        last_top = max(len(self.lines) - height, 0)
        self._top = max(min(max(self._top, self.cursor - height + 1), self.cursor, last_top), 0)
        index = self._top + y
        if index >= len(self.lines):
            return Strip.blank(columns)
        segments = cut(self.lines[index], columns)
        if index == self.cursor and self._shows_cursor:
            style = styles.CURSOR
            segments = [Segment(text, (old or styles.PLAIN) + style) for text, old, _ in segments]
            return Strip(segments).adjust_cell_length(columns, style)
        return Strip(segments).adjust_cell_length(columns)


def cut(segments: Segments, columns: int) -> Segments:
    """Return the segments, with an ellipsis in the place of what does not fit."""
    if width_of(segments) <= columns:
        return segments
    fitting: Segments = []
    for text, style, _ in segments:
        shown = truncate(text, columns)
        fitting.append(Segment(shown, style))
        columns -= width(text)
        if columns < 1:
            break
    return fitting


def width_of(segments: Segments) -> int:
    """Return how many columns the segments take."""
    return sum([width(segment.text) for segment in segments])
