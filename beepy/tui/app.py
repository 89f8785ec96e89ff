"""The screen as a textual app: one page per image, one widget per map, all of it by keys."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import ClassVar, Final, TypeAlias

from rich.segment import Segment
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.containers import Vertical

from beepy.errors import BeepyError, OutputError, UsageError
from beepy.events.stats import RunStats
from beepy.text import safe
from beepy.tui import keys, styles
from beepy.tui.about import About
from beepy.tui.copies import json_of, write
from beepy.tui.dialogs import ColumnsDialog, KeysDialog, RowDialog, StacksDialog, TopDialog
from beepy.tui.driver import TerminalDriver
from beepy.tui.header import Header, Rates
from beepy.tui.line import Line, Segments
from beepy.tui.model import MapModel, Model
from beepy.tui.panel import PanelView
from beepy.tui.prompt import FILTER, RECORD, SEARCH, WRITE, Prompt
from beepy.tui.recording import Recording
from beepy.tui.stacks import is_stack
from beepy.tui.table import Table

PERIOD: Final = 0.2  # seconds between two repaints
_MESSAGE_TICKS: Final = 25  # for which a message is shown
_MAX_MESSAGES: Final = 100
_TOP_TICKS: Final = 5

MapWidget: TypeAlias = Table | PanelView


class Page(Vertical, can_focus=False):
    """The maps of one image."""

    DEFAULT_CSS: ClassVar[str] = "Page { height: 1fr; overflow-y: auto; scrollbar-size: 1 1; }"


class ScreenApp(App[None]):
    """Shows the model until ``leave``; ``failure`` is why it could not go on, if it could not."""

    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar = [
        *[
            # Tab and Ctrl-P are textual's otherwise
            Binding(row.keys, row.action, show=False, priority=row.action.startswith("table"))
            for row in keys.TABLE
            if row.keys
        ],
        Binding("ctrl+c", "leave", show=False, priority=True),
    ]
    CSS: ClassVar[str] = "Screen { layout: vertical; }"

    def __init__(
        self, model: Model, about: About, stats: RunStats, recording: Recording | None
    ) -> None:
        super().__init__(driver_class=TerminalDriver, ansi_color=True)
        self.theme = "ansi-dark"
        self.last_lines: Sequence[str] = ()
        self.messages: list[str] = []  # what was written to stderr meanwhile
        self.failure: Exception | None = None
        self._model = model
        self._about = about
        self._stats = stats
        self._recording = recording
        self._rates = Rates()
        self._header = Header(about, stats, self._rates)
        self._message: tuple[str, int] = ("", 0)  # and for how many ticks
        self._ticks = 0
        self._current = 0  # of the widgets
        self._zoomed = False
        self._filter_before = ""
        self._pending_filter: str | None = None
        self._is_leaving = False
        self.loop: asyncio.AbstractEventLoop | None = None
        self.widgets: list[MapWidget] = []
        self.pages: list[Page] = []
        self._page_of: list[int] = []

    def compose(self) -> ComposeResult:
        """Put the lines above and below the pages."""
        images: dict[str, list[MapModel]] = {}
        for model in self._model.maps.values():
            images.setdefault(model.schema.image, []).append(model)
        yield Line(self._header.segments, id="header")
        if len(images) > 1:
            yield Line(self._tabs, id="tabs")
        self._image_names = list(images)
        for number, models in enumerate(images.values()):
            widgets = [self._widget(model) for model in models]
            self.widgets += widgets
            self._page_of += [number] * len(widgets)
            page = Page(*widgets)
            self.pages.append(page)
            yield page
        if not images:
            yield Line(lambda _: [Segment("no map is shown: q leaves", styles.NOTE)])
        self.prompt = Prompt()
        yield self.prompt
        yield Line(self._foot, id="foot")

    def _widget(self, model: MapModel) -> MapWidget:
        title = safe(model.schema.map)
        return PanelView(model, title) if model.panel else Table(model, title)

    def on_mount(self) -> None:
        """Begin to look at the model."""
        self.loop = asyncio.get_running_loop()
        self.begin_capture_print(self, stdout=True, stderr=True)
        self._show_current()
        for widget in self._visible():
            widget.tick()  # the first frame has the rows that came meanwhile
        self.set_interval(PERIOD, self._tick)
        if self._is_leaving:  # it came before there was a loop
            self.action_leave()

    def on_print(self, event: events.Print) -> None:
        """Keep what is written to stderr, and show it on the last line for a while."""
        for line in event.text.splitlines():
            if line.strip() and len(self.messages) < _MAX_MESSAGES:
                self.messages.append(line)
                self.tell(line)

    def tell(self, text: str) -> None:
        """Show a message on the last line for a while."""
        self._message = (text, _MESSAGE_TICKS)
        self.query_one("#foot").refresh()

    # the end

    def leave(self) -> None:
        """End, from any thread or signal handler."""
        self._is_leaving = True
        if self.loop:
            self.loop.call_soon_threadsafe(self.action_leave)

    def ended(self) -> None:
        """Say that no more rows come, from the run's thread; the screen stays."""
        self._header.ended = True

    def panic(self, *renderables: object) -> None:
        """End: the terminal cannot be read any more."""
        del renderables
        self.failure = self.failure or OutputError("terminal: it cannot be read any more")
        self.action_leave()

    def _handle_exception(self, error: Exception) -> None:
        """End with an error, which the caller reports, instead of drawing a traceback."""
        self.failure = self.failure or error
        with suppress(Exception):  # what fails may be what draws
            self.last_lines = self._plain_lines()
        self._exception = error
        self._exception_event.set()
        self._close_messages_no_wait()

    # the run goes on

    def _tick(self) -> None:
        self._ticks += 1
        if self._pending_filter is not None:
            self._apply_filter(self._pending_filter)
        for widget in self._visible():
            widget.tick()
        if self._rates.tick(self._stats.shown) or self._header.ended:
            self.query_one("#header", Line).refresh()
        text, left = self._message
        if left:
            self._message = (text, left - 1)
            if left == 1:
                self.query_one("#foot").refresh()
        if self._recording and self._recording.error:
            self.tell(self._recording.error)
            self._recording.error = ""
            self._show_recording("")
        if self._ticks % _TOP_TICKS == 0 and isinstance(self.screen, TopDialog | StacksDialog):
            self.screen.tick()

    def _visible(self) -> list[MapWidget]:
        return [widget for widget in self._of_page() if widget.display]

    def _of_page(self) -> list[MapWidget]:
        page = self._page_of[self._current] if self._page_of else 0
        return [w for w, of in zip(self.widgets, self._page_of, strict=True) if of == page]

    @property
    def current(self) -> MapWidget | None:
        """The widget of the map that keys are about."""
        return self.widgets[self._current] if self.widgets else None

    @property
    def table(self) -> Table | None:
        """The same, if it has rows."""
        current = self.current
        return current if isinstance(current, Table) else None

    def _show_current(self) -> None:
        if not self.widgets:
            return
        for number, page in enumerate(self.pages):
            page.display = number == self._page_of[self._current]
        for number, widget in enumerate(self.widgets):
            widget.display = not self._zoomed or number == self._current
        self.widgets[self._current].focus()
        for line in self.query("#tabs"):
            line.refresh()

    def _tabs(self, _: int) -> Segments:
        segments = []
        page = self._page_of[self._current] if self._page_of else 0
        for number, name in enumerate(self._image_names):
            style = styles.CHOSEN if number == page else styles.DIM
            segments += [Segment(f" {safe(name)} ", style), Segment(" ")]
        return segments

    def _foot(self, _: int) -> Segments:
        text, left = self._message
        if left:
            return [Segment(text, styles.NOTE)]
        segments = []
        for row in keys.TABLE:
            if row.brief:
                first = row.shown.partition(" ")[0]
                segments += [Segment(first, styles.KEY), Segment(f" {row.brief}  ", styles.DIM)]
        return segments

    # keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the keys to dialogs and to the prompt, except those that end."""
        del parameters
        if action in _ACTIONS and (len(self.screen_stack) > 1 or self.prompt.kind):
            return action in _ALWAYS
        return True

    def action_pause(self) -> None:
        """Pause, or go on."""
        if current := self.current:
            current.pause(paused=not current.paused)

    def action_move(self, step: int) -> None:
        """Go to another row."""
        if table := self.table:
            table.move(step)

    def action_page(self, step: int) -> None:
        """Go up or down by a screenful."""
        if table := self.table:
            table.move(step * max(table.body_height - 1, 1))

    def action_first(self) -> None:
        """Go to the first row."""
        if table := self.table:
            table.move_to(0)

    def action_last(self) -> None:
        """Go to the last row, and follow."""
        if table := self.table:
            table.cursor = max(len(table.rows) - 1, 0)
            table.pause(paused=False)

    def action_column(self, step: int) -> None:
        """Go to another column."""
        if table := self.table:
            table.move_column(step)

    def action_open(self) -> None:
        """Show all of a row."""
        table = self.table
        if table and len(table.rows):
            table.move(0)  # pauses, so that the row stays
            self.push_screen(RowDialog(table), self._filter_by)

    def action_top(self) -> None:
        """Show the top values of the column."""
        table = self.table
        field = table.grid.fields[table.column] if table else None
        if table and field:
            dialog = StacksDialog if is_stack(field) else TopDialog
            self.push_screen(dialog(table, field), self._filter_by)
        elif table:
            self.tell("top: choose a column with ← and →")

    def action_columns(self) -> None:
        """Choose the columns."""
        if table := self.table:
            self.push_screen(ColumnsDialog(table))

    def action_keys(self) -> None:
        """Show all keys."""
        self.push_screen(KeysDialog())

    def action_table(self, step: int) -> None:
        """Go to another map."""
        if self.widgets:
            self._current = (self._current + step) % len(self.widgets)
            self._show_current()

    def action_zoom(self) -> None:
        """Show this map alone, or all of its image."""
        self._zoomed = not self._zoomed
        self._show_current()

    def action_sort(self) -> None:
        """Sort by the column."""
        if table := self.table:
            table.sort_by(table.column)

    def action_hide(self) -> None:
        """Hide the column."""
        if table := self.table:
            table.hide_column()

    def action_shift(self, step: int) -> None:
        """Move the column."""
        if table := self.table:
            table.grid.move(table.column, step)
            table.redraw()

    def action_find(self, step: int) -> None:
        """Go to the next place of the text that is searched."""
        table = self.table
        if table and table.search.text and not table.find(step):
            self.tell(f"not found: {safe(table.search.text)}")

    def action_clear(self) -> None:
        """End the search, then the filter, then the pause."""
        table = self.table
        if table and table.search.text:
            table.search_for("")
        elif table and table.filter:
            self._apply_filter("")
        elif (current := self.current) and current.paused:
            current.pause(paused=False)

    def action_copy_row(self) -> None:
        """Copy the row as JSON."""
        table = self.table
        row = table.current() if table else None
        if table and row:
            self.copy_to_clipboard(json_of(table.model.decoder, [row]).rstrip("\n"))
            self.tell("copied as JSON, if the terminal takes it (OSC 52)")

    def action_record(self) -> None:
        """Begin or end a recording."""
        recording = self._recording
        if recording is None:
            self.tell("record: this is a recording")
        elif recording.is_on:
            self._attempt(recording.stop)
            self._show_recording("")
            self.tell(f"{recording.rows:,} rows recorded: beepy replay {safe(recording.path)}")
        elif widget := self.current:
            self._ask(RECORD, f"{_file_name(widget)}.rec")

    def action_write(self) -> None:
        """Write the rows that are here to a file."""
        if table := self.table:
            self._ask(WRITE, f"{_file_name(table)}.jsonl")

    def action_filter(self) -> None:
        """Ask for an expression."""
        if table := self.table:
            self._filter_before = table.filter
            self._ask(FILTER, table.filter)

    def action_search(self) -> None:
        """Ask for a text."""
        if table := self.table:
            self._ask(SEARCH, table.search.text)

    def action_leave(self) -> None:
        """End, and keep what is on the screen for the terminal after it."""
        self.last_lines = self._plain_lines()
        self.exit()

    # the prompt

    def _ask(self, kind: str, text: str) -> None:
        self.prompt.open(kind, text, self.table)

    def on_prompt_changed(self) -> None:
        """Show at once what a filter or a search does."""
        table = self.table
        if self.prompt.kind == FILTER:
            self._pending_filter = self.prompt.text  # at the next repaint
        elif self.prompt.kind == SEARCH and table:
            table.search_for(self.prompt.text)

    def on_prompt_ended(self, event: Prompt.Ended) -> None:
        """Do what was asked for."""
        kind, text, table = self.prompt.kind, self.prompt.text.strip(), self.table
        if kind == FILTER:
            if not self._apply_filter(text if event.accepted else self._filter_before):
                return
        elif not event.accepted:
            if kind == SEARCH and table:
                table.search_for("")
        elif kind == SEARCH and table:
            if not table.find(0):
                self.tell(f"not found: {safe(text)}")
        elif kind == WRITE and table and text:
            if not self._attempt(lambda: self._write(text, table)):
                return
        elif kind == RECORD and text and not self._attempt(lambda: self._record(text)):
            return
        self.prompt.close()
        if current := self.current:
            current.focus()

    def _attempt(self, action: Callable[[], None]) -> bool:
        """Do something with a file; show the error if it fails."""
        try:
            action()
        except BeepyError as error:
            self.prompt.refuse(str(error))
            self.tell(str(error))
            return False
        return True

    def _write(self, path: str, table: Table) -> None:
        count = write(path, table.rows)
        self.tell(f"{count:,} rows written to {safe(path)}")

    def _record(self, path: str) -> None:
        assert self._recording, "asked for only then"
        self._recording.start(path)
        self._show_recording(path)
        self.tell(f"recording to {safe(path)}: r stops")

    def _show_recording(self, path: str) -> None:
        self._header.recording = path
        self.query_one("#header").refresh()

    def _filter_by(self, expression: str | None) -> None:
        """Filter by an expression too, that was chosen in a dialog."""
        table = self.table
        if table and expression:
            both = f"({table.filter}) and {expression}" if table.filter else expression
            self._apply_filter(both)

    def _apply_filter(self, expression: str) -> bool:
        """Show only rows for which an expression is true; return whether it is one."""
        self._pending_filter = None
        table = self.table
        if not table:
            return True
        try:
            table.filter_by(expression.strip())
        except UsageError as error:
            self.prompt.refuse(str(error))
            return False
        self.prompt.refuse("")
        return True

    def _plain_lines(self) -> Sequence[str]:
        lines: list[str] = []
        for widget in self._visible():
            shown = widget.plain_lines() if widget.size.width else []
            lines += ["", *shown] if lines and shown else shown
        return lines


_ACTIONS: Final = frozenset([row.action.partition("(")[0] for row in keys.TABLE])
_ALWAYS: Final = frozenset(("suspend_process",))


def _file_name(widget: MapWidget) -> str:
    """Return the beginning of a name for a file: the image's, without what paths cannot have."""
    name = safe(widget.model.schema.image).rpartition("/")[2].partition(":")[0]
    return "".join([char if char.isalnum() or char in "-_." else "-" for char in name]) or "rows"
