"""The widget of one map's rows: each visible row is a strip, whatever the number of rows.

Its first line is the table's title, the second the headings. It keeps its own place in the rows,
instead of textual's scrolling: the rows that are kept move under it with every repaint.
"""

from collections.abc import Sequence
from typing import ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from beepy.events.batch import Batch
from beepy.events.order import Order
from beepy.events.stacks import Stacks
from beepy.text import safe
from beepy.tui import changes, styles
from beepy.tui.grid import TIME, Grid
from beepy.tui.marks import sort_mark, sorted_by
from beepy.tui.model import MapModel
from beepy.tui.rows import Rows
from beepy.tui.search import Search
from beepy.width import truncate, width

_HEAD: Final = 2  # lines above the rows
_WHEEL: Final = 3  # rows
_RATE: Final = 11  # columns of a counter's rate


class Table(Widget, can_focus=True):
    """The rows of one map.

    Without a choice of the user it follows: the newest rows are at the bottom. Going up, or
    ``pause``, freezes the rows that are there, and new ones are counted.
    """

    DEFAULT_CSS: ClassVar[str] = "Table { height: 1fr; min-height: 5; }"

    class Opened(Message):
        """A row was chosen by Enter or a click."""

    def __init__(self, model: MapModel, title: str) -> None:
        super().__init__()
        self.model = model
        self.grid = Grid(model.decoder, has_time=not model.is_table)
        self.rows = self._unsorted = Rows(model.decoder)
        self.cursor = 0  # the position of a row
        self.column = self.grid.first_column()  # the position of a column
        self.paused = False
        self.sort: Order | None = None
        self.sorted_by: int | None = None
        self.filter = ""
        self.search = Search()
        self.stacks = Stacks(model.decoder)
        self._title = title
        self._top = 0
        self._version = -1
        self._frozen_total = 0
        self._lines: list[list[str]] | None = None  # of the visible rows, None: to be made
        self._marks = changes.Changes(model)

    @property
    def follows(self) -> bool:
        """Whether the newest rows are shown, at the bottom."""
        return not (self.paused or self.model.is_table or self.sort)

    @property
    def body_height(self) -> int:
        """The number of rows that there is room for."""
        return max(self.size.height - _HEAD, 1)

    def tick(self) -> None:
        """Show what has come since the last time; the app calls it a few times a second."""
        if self.model.version == self._version:
            return
        if not self.paused:
            self.reload()
        elif self.size.width:
            self._version = self.model.version
            self.refresh(Region(0, 0, self.size.width, 1))  # the count of newer rows

    def reload(self) -> None:
        """Take the rows as they are now."""
        self._version, self._frozen_total = self.model.version, self.model.total
        self._unsorted = self.model.rows()
        self.rows = self._unsorted.ordered(self.sort) if self.sort else self._unsorted
        if self.follows:
            self.cursor = max(len(self.rows) - 1, 0)
        self.cursor = min(self.cursor, max(len(self.rows) - 1, 0))
        self.redraw()

    def redraw(self) -> None:
        """Draw everything anew."""
        self._lines = None
        self.refresh()

    def pause(self, *, paused: bool) -> None:
        """Freeze the rows, or go on."""
        self.paused = paused
        if not paused:
            self.reload()
        self.redraw()

    def move_to(self, position: int) -> None:
        """Put the cursor on a row, and pause if there is one."""
        if len(self.rows) and not self.model.is_table and not self.sort:
            self.pause(paused=True)
        self.cursor = max(min(position, len(self.rows) - 1), 0)
        self.redraw()

    def move(self, rows: int) -> None:
        """Move the cursor down, or up (negative)."""
        if rows < 0 or not self.follows:  # else it is at the end
            self.move_to(self.cursor + rows)

    def move_in_time(self, step_ns: int) -> bool:
        """Put the cursor on the first row that came so much later, or earlier (negative).

        In a time without rows it goes on to the next that there are. Return whether there is an
        order of time.
        """
        row = self.current()
        if row and not self.sort:
            place = self.rows.at(row.time_ns + step_ns)
            first = self.rows.at(row.time_ns)
            if step_ns < 0 and place == first > 0:
                place = self.rows.at(self.rows.row(first - 1).time_ns)
            self.move_to(place)
        return not self.sort

    def move_column(self, step: int) -> None:
        """Choose the next column to the right (1) or to the left (-1)."""
        shown = [column.position for column in self.grid.columns]
        if shown:
            at = shown.index(self.column) if self.column in shown else 0
            self.column = shown[max(min(at + step, len(shown) - 1), 0)]
            self.redraw()

    def sort_by(self, position: int) -> bool:
        """Sort by a column: the largest first, then the smallest, then as before.

        While it is paused, the rows that are there are sorted; at the end, the cursor stays on its
        row, to see what came around it. Return True: there is always something to sort by.
        """
        field = self.grid.fields[position]
        fields = (field,) if field else ()
        if self.sorted_by != position:
            self.sort, self.sorted_by = Order(fields, largest_first=True), position
        elif self.sort and self.sort.largest_first:
            self.sort = Order(fields)
        else:
            self.sort, self.sorted_by = None, None
        self._top = 0
        if self.paused:
            row = self.rows.arrival(self.cursor) if len(self.rows) else 0
            self.rows = self._unsorted.ordered(self.sort) if self.sort else self._unsorted
            self.cursor = 0 if self.sort else self.rows.position(row)
            self.redraw()
        else:
            self.cursor = 0
            self.reload()
        return True

    def hide_column(self) -> None:
        """Hide the column under the cursor, and choose its neighbor."""
        shown = [column.position for column in self.grid.columns]
        at = shown.index(self.column) if self.column in shown else 0
        self.grid.hide(self.column)
        others = [position for position in shown if position != self.column]
        if others:
            self.column = others[min(at, len(others) - 1)]
        self.redraw()

    def shift_column(self, step: int) -> None:
        """Move the column under the cursor to the left (-1) or to the right (1)."""
        self.grid.move(self.column, step)
        self.redraw()

    def fit(self) -> None:
        """Lay out the columns anew, before they are drawn."""
        self._lines = None
        self._visible()
        self.refresh()

    def filter_by(self, expression: str) -> None:
        """Show only rows for which an expression is true, "" for all. Raise UsageError."""
        if expression == self.filter:
            return
        select = None
        if expression:
            from beepy.events.where import Where  # noqa: PLC0415 - lark is imported by a filter

            select = Where([expression], [self.model.decoder]).apply
        self.model.select(select)
        self.filter = expression
        self.reload()

    def filter_and(self, expression: str) -> str:
        """Return the filter with one more condition."""
        return f"({self.filter}) and {expression}" if self.filter else expression

    def search_for(self, text: str) -> None:
        """Mark a text."""
        self.search = Search(text)
        self.redraw()

    @property
    def name_shown(self) -> str:
        """The name of the map."""
        return self._title

    def find(self, step: int) -> bool:
        """Go to the next row that is searched for, down (1) or up (-1); return whether one is."""
        found = self.search.next(self.rows, self.grid, self.cursor, step)
        if found is None:
            self.redraw()
            return False
        self.move_to(found)
        return True

    def current(self) -> Batch | None:
        """Return the row under the cursor as a batch."""
        return self.rows.row(self.cursor) if len(self.rows) else None

    def plain_lines(self) -> list[str]:
        """Return what is on the screen as lines of text: the headings and the rows."""
        lines = self._visible()
        heading = " ".join(self.grid.headings()).rstrip()
        return [heading, *[" ".join(cells).rstrip() for cells in lines]] if lines else []

    # drawing

    def _visible(self) -> list[list[str]]:
        """Return the texts of the visible rows."""
        if self._lines is None:
            height = self.body_height
            last_top = max(len(self.rows) - height, 0)
            if self.follows:
                self._top = last_top
            top = min(max(self._top, self.cursor - height + 1), self.cursor, last_top)
            self._top = max(top, 0)
            window = list(self.rows.window(self._top, height))
            self._marks.look(window)
            taken = 1 + (_RATE + 1 if self._marks.counter else 0)
            self._lines = self.grid.texts(window, max(self.size.width - taken, 1))
        return self._lines

    def render_line(self, y: int) -> Strip:
        """Return one line."""
        columns = self.size.width
        lines = self._visible()
        if y == 0:
            return self._title_strip(columns)
        if y == 1:
            return self._heading_strip(columns)
        index = y - _HEAD
        if index >= len(lines):
            return Strip.blank(columns)
        segments = self._row_segments(index, lines[index])
        strip = Strip(segments).adjust_cell_length(columns - 1, self._row_style(index))
        return Strip([*strip, Segment(self._scroll_mark(index), styles.DIM)])

    def _row_style(self, index: int) -> Style:
        is_cursor = self._top + index == self.cursor and not self.follows and self.has_focus
        return styles.CURSOR if is_cursor else styles.PLAIN

    def _row_segments(self, index: int, cells: Sequence[str]) -> list[Segment]:
        base = self._row_style(index)
        changed = self._marks.at(index)
        segments = []
        for column, cell in zip(self.grid.columns, cells, strict=True):
            style = base
            if base is styles.CURSOR:
                style = styles.CURSOR_CELL if column.position == self.column else base
            elif column.position == TIME:
                style = styles.DIM
            elif self.grid.has_failed(column.position, cell):
                style = styles.FAILED
            if self.grid.fields[column.position] in changed:
                style += styles.CHANGED
            segments += self.search.segments(cell, style)
            segments.append(Segment(" ", base))
        if index < len(self._marks.rates):
            segments.append(Segment(f"{self._marks.rates[index]:>{_RATE}}", base + styles.DIM))
        return segments

    def _heading_strip(self, columns: int) -> Strip:
        segments = []
        for column, name in zip(self.grid.columns, self.grid.headings(), strict=True):
            is_chosen = column.position == self.column and self.has_focus
            text, gap = name, " "
            if self.sort and column.position == self.sorted_by:
                text = name.rstrip()
                gap = sort_mark(self.sort).ljust(len(name) - len(text) + 1)
            segments.append(Segment(text, styles.CHOSEN if is_chosen else styles.HEADING))
            segments.append(Segment(gap, styles.HEADING))
        if self._marks.counter:
            segments.append(Segment(f"{'a second':>{_RATE}}", styles.HEADING))
        return Strip(segments).adjust_cell_length(columns, styles.HEADING)

    def _title_strip(self, columns: int) -> Strip:
        parts: list[tuple[str, Style]] = [(self._title, styles.TITLE)]
        parts.append((self._counts(), styles.DIM))
        if self.filter:
            parts.append((f"filter: {safe(self.filter)}", styles.NOTE))
        if self.search.text:
            parts.append((f"/{safe(self.search.text)}", styles.NOTE))
        if self.sort and self.sorted_by is not None:
            parts.append((sorted_by(self.grid.names[self.sorted_by], self.sort), styles.NOTE))
        if self.paused:
            newer = self.model.total - self._frozen_total
            text = f"paused, {newer:,} newer" if newer and not self.model.is_table else "paused"
            parts.append((text, styles.NOTE))
        elif self.grid.left_out:
            parts.append((f"no room: {', '.join(self.grid.left_out)}", styles.DIM))
        segments, left = [], columns
        for number, (text, style) in enumerate(parts):
            gap = "  " if number else ""
            shown = truncate(gap + text, left)
            left -= width(shown)
            segments.append(Segment(shown, style))
        return Strip(segments).adjust_cell_length(columns)

    def _counts(self) -> str:
        """Return how many rows there are, and how many of them are here."""
        total, kept = self.model.total, len(self.rows)
        if self.model.is_table:
            noun = "entry" if total == 1 else "entries"
            return f"{total:,} {noun}" if kept == total else f"{kept:,} of {total:,} {noun}"
        noun = "row" if total == 1 else "rows"
        if self.filter or kept < total:
            return f"{total:,} {noun}, {kept:,} here"
        return f"{kept:,} {noun}"

    def _scroll_mark(self, index: int) -> str:
        """Return what stands at the right end of a row: where in all rows this screenful is."""
        height, count = self.body_height, len(self.rows)
        if count <= height:
            return " "
        size = max(height * height // count, 1)
        begin = (height - size) * self._top // (count - height)
        return "█" if begin <= index < begin + size else "│"

    # the mouse: nothing needs it

    def on_mouse_scroll_up(self) -> None:
        """Go up, which pauses."""
        self.move(-_WHEEL)

    def on_mouse_scroll_down(self) -> None:
        """Go down; at the end, go on."""
        if not self.follows:
            self.move(_WHEEL)

    def on_click(self, event: events.Click) -> None:
        """Choose a row, or sort by the heading."""
        self.focus()
        position = next(
            (
                column.position
                for column in self.grid.columns
                if column.start <= event.x < column.start + column.width
            ),
            self.column,
        )
        self.column = position
        if event.y == 1:
            self.sort_by(position)
        elif event.y >= _HEAD:
            self.move_to(self._top + event.y - _HEAD)
        else:
            self.redraw()

    def on_focus(self) -> None:
        """Show which table has the keys."""
        self.redraw()

    def on_blur(self) -> None:
        """Show that another one has them."""
        self.redraw()

    def on_resize(self) -> None:
        """Fit the columns to the new size."""
        self.redraw()
