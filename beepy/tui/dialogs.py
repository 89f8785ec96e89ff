"""Boxes above the screen: all of a row, the top values of a field, columns, keys."""

from collections import Counter
from collections.abc import Sequence
from typing import ClassVar, Final

from rich.segment import Segment
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen

from beepy.events.fields import Field
from beepy.outputs.columns.cells import cells_of
from beepy.text import safe
from beepy.tui import keys, styles
from beepy.tui.completion import equals
from beepy.tui.details import FIRST_FIELD, details
from beepy.tui.line import Line, Listing, Segments, width_of
from beepy.tui.stacks import Node, Tree
from beepy.tui.table import Table
from beepy.width import truncate

_BARS: Final = 20
_MAX_WIDTH: Final = 100  # columns of a dialog
_MAX_VALUES: Final = 1000


class Dialog(ModalScreen[str]):
    """A box with a title, lines and a hint; its result is a filter, "" for none."""

    DEFAULT_CSS: ClassVar[str] = f"""
    Dialog {{ align: center middle; }}
    Dialog > Vertical {{ max-width: {_MAX_WIDTH}; max-height: 90%; border: round ansi_cyan; }}
    """

    BINDINGS: ClassVar = [("escape,q", "leave")]

    def __init__(self, title: str, hint: str, *, shows_cursor: bool = True) -> None:
        super().__init__()
        self._title = title
        self.hint = hint
        self.hint_line = Line(lambda _: [Segment(self.hint, styles.DIM)])
        self.listing = Listing(shows_cursor=shows_cursor)

    def compose(self) -> ComposeResult:
        """Put the title into the border, the hint below the lines."""
        with Vertical() as box:
            box.border_title = Content(self._title)  # a text would be markup
            yield self.listing
            yield self.hint_line

    def on_mount(self) -> None:
        """Show the lines."""
        self.listing.replace(self.lines())
        self.listing.focus()

    def on_resize(self) -> None:
        """Fit the lines to the new size."""
        self.listing.replace(self.lines())

    @property
    def columns(self) -> int:
        """The width of the lines."""
        return min(self.app.size.width, _MAX_WIDTH) - 2  # the border

    def lines(self) -> Sequence[Segments]:
        """Return what is listed."""
        return ()

    def action_leave(self) -> None:
        """Close the box."""
        self.dismiss("")


class RowDialog(Dialog):
    """All fields of one row, with the raw bytes; Enter filters by the value of a field."""

    BINDINGS: ClassVar = [
        ("left,p,N", "row(-1)"),
        ("right,n", "row(1)"),
        ("y", "app.copy_row"),
    ]

    def __init__(self, table: Table) -> None:
        hint = "Esc closes   ←→ other rows   Enter filters by this value   y copies as JSON"
        super().__init__(table.name_shown, hint)
        self._table = table
        self._goes_on = not table.paused and not table.follows
        table.pause(paused=True)  # the row is to stay
        self.listing.cursor = FIRST_FIELD

    def on_unmount(self) -> None:
        """Let a table, or sorted rows, go on."""
        if self._goes_on:
            self._table.pause(paused=False)

    def lines(self) -> Sequence[Segments]:
        """Return the fields of the row under the cursor."""
        row = self._table.current()
        decoder, stacks = self._table.model.decoder, self._table.stacks
        self._details = details(stacks, decoder, row, self.columns) if row else []
        return [detail.segments for detail in self._details]

    def action_row(self, step: int) -> None:
        """Show the row above or below."""
        self._table.move(step)
        self.listing.replace(self.lines())

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        """Filter by the value of a field."""
        field, row = self._details[event.index].field, self._table.current()
        if field and row:
            ((value,),) = self._table.model.decoder.values(row, (field,))
            self.dismiss(equals(self._table.model.decoder, field, value))


class TopDialog(Dialog):
    """The most frequent values of a field among the rows that are kept, as they change."""

    def __init__(self, table: Table, field: Field) -> None:
        self._table = table
        self._field = field
        self._values: list[object] = []
        super().__init__(f"top values of {table.grid.names[table.column]}", self._hint_text())

    def _hint_text(self) -> str:
        return f"of {len(self._table.rows):,} rows   Esc closes   Enter filters by a value"

    def lines(self) -> Sequence[Segments]:
        """Return a line for each value, with its count and share."""
        rows = self._table.rows
        column = rows.values(self._field)
        # arrays may have structs, which are dicts
        keys_of = list(map(repr, column)) if self._field.codec.inner else column
        values = dict(zip(keys_of, column, strict=True))
        ranked = [(values[key], count) for key, count in Counter(keys_of).most_common(_MAX_VALUES)]
        self._values = [value for value, _ in ranked]
        cell = cells_of(rows.decoder)[self._field]
        total, most = len(rows) or 1, ranked[0][1] if ranked else 1
        lines = []
        for value, count in ranked:
            bar = "█" * (-(-count * _BARS // most))
            line = [
                Segment(f"{count:>9,}", styles.BOLD),
                Segment(f" {count / total:>6.1%} "),
                Segment(f"{bar:<{_BARS}} ", styles.BAR),
            ]
            text = cell.text(value) or '""'
            room = self.columns - width_of(line)
            lines.append([*line, Segment(truncate(text, room, start=cell.path))])
        return lines

    def tick(self) -> None:
        """Count again."""
        self.hint = self._hint_text()
        self.listing.replace(self.lines())
        self.hint_line.refresh()

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        """Filter by the value."""
        decoder = self._table.model.decoder
        self.dismiss(equals(decoder, self._field, self._values[event.index]))


class StacksDialog(Dialog):
    """The stacks of the rows that are kept, as a tree that Enter unfolds."""

    BINDINGS: ClassVar = [("space,left,right", "listing_choose")]

    def __init__(self, table: Table) -> None:
        super().__init__(f"stacks of {table.name_shown}", "Esc closes   Enter opens and folds")
        self._table = table
        self._tree = Tree()
        self._frames: list[Node] = []

    def lines(self) -> Sequence[Segments]:
        """Return a line for each frame that is not folded away."""
        counts: Counter[tuple[str, ...]] = Counter()
        for batch in self._table.rows.chunks():
            for sample in self._table.stacks.samples(batch):
                counts[sample.frames] += sample.value
        self._tree.count(counts)
        return self._lines()

    def _lines(self) -> Sequence[Segments]:
        total = self._tree.root.count or 1
        self._frames = list(self._tree.visible())
        return [
            [
                Segment(f"{node.count:>9,}", styles.BOLD),
                Segment(f" {node.count / total:>6.1%} ", styles.BAR),
                Segment("  " * node.depth + _fold_mark(node), styles.DIM),
                Segment(safe(node.name)),
            ]
            for node in self._frames
        ]

    def tick(self) -> None:
        """Count again."""
        self.listing.replace(self.lines())

    def action_listing_choose(self) -> None:
        """Open or fold the frame under the cursor."""
        self.listing.action_choose()

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        """Open a frame, or fold it."""
        self._tree.toggle(self._frames[event.index])
        self.listing.replace(self._lines())


def _fold_mark(node: Node) -> str:
    if not node.inner:
        return "  "
    return "▾ " if node.is_open else "▸ "


class ColumnsDialog(Dialog):
    """The columns of a table: which are shown, and in which order."""

    BINDINGS: ClassVar = [
        ("space", "toggle_column"),
        ("less_than_sign,left", "shift(-1)"),
        ("greater_than_sign,right", "shift(1)"),
        ("a", "all"),
    ]

    def __init__(self, table: Table) -> None:
        hint = "Esc closes   Space shows or hides   ←→ moves   a as at first"
        super().__init__("columns", hint)
        self._table = table

    def lines(self) -> Sequence[Segments]:
        """Return a line for each column, in their order."""
        grid = self._table.grid
        return [
            [
                Segment("[x] " if grid.is_shown(position) else "[ ] ", styles.KEY),
                Segment(grid.names[position]),
            ]
            for position in grid.order
        ]

    def on_listing_chosen(self, event: Listing.Chosen) -> None:
        """Show or hide a column."""
        grid, position = self._table.grid, self._table.grid.order[event.index]
        if grid.is_shown(position):
            grid.hide(position)
        else:
            grid.show(position)
        self._changed()

    def action_toggle_column(self) -> None:
        """Show or hide the column under the cursor."""
        self.listing.action_choose()

    def action_shift(self, step: int) -> None:
        """Move the column under the cursor to the left or to the right."""
        order, at = self._table.grid.order, self.listing.cursor
        if 0 <= at + step < len(order):
            order[at], order[at + step] = order[at + step], order[at]
            self.listing.cursor = at + step
            self._changed()

    def action_all(self) -> None:
        """Show the columns as at first."""
        self._table.grid.show_all()
        self._changed()

    def _changed(self) -> None:
        self._table.fit()
        self.listing.replace(self.lines())


class KeysDialog(Dialog):
    """All keys."""

    def __init__(self) -> None:
        super().__init__("keys", "Esc closes   ↑↓ scroll", shows_cursor=False)

    def lines(self) -> Sequence[Segments]:
        """Return the table of keys."""
        lines: list[Segments] = []
        for row in keys.TABLE:
            if not row.keys:
                lines += [[], [Segment(row.text, styles.TITLE)]]
            elif row.shown:
                lines.append([Segment(f" {row.shown:<14}", styles.KEY), Segment(row.text)])
        return lines[1:]
