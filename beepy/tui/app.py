"""The screen as a textual app: one page per image, one widget per map, all of it by keys."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import ClassVar, Final

from rich.segment import Segment
from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding

from beepy.errors import BeepyError, OutputError, UsageError
from beepy.events.stats import RunStats
from beepy.text import safe
from beepy.tui import keys, styles
from beepy.tui.about import About
from beepy.tui.copies import json_of
from beepy.tui.dialogs import ColumnsDialog, KeysDialog, RowDialog, StacksDialog, TopDialog
from beepy.tui.driver import TerminalDriver
from beepy.tui.foot import Foot
from beepy.tui.header import Header, Rates
from beepy.tui.keeping import Keeping, file_name
from beepy.tui.keyboard import Keyboard
from beepy.tui.line import Line, Listing, Segments
from beepy.tui.maps import Maps
from beepy.tui.model import Model
from beepy.tui.prompt import FILTER, RECORD, SEARCH, WRITE, Prompt
from beepy.tui.recording import Recording
from beepy.tui.table import Table

PERIOD: Final = 0.2  # seconds between two repaints
_TOP_TICKS: Final = 5
_JUMPS: Final = 20  # from the begin to the end of a recording


class ScreenApp(App[None]):
    """Shows the model until ``leave``; ``failure`` is why it could not go on, if it could not."""

    ENABLE_COMMAND_PALETTE = False
    AUTO_FOCUS = None
    BINDINGS: ClassVar = [
        *[
            # Tab and Ctrl-P are textual's otherwise
            Binding(row.keys, row.action, show=False, priority=row.action.startswith("table"))
            for row in keys.TABLE
            if row.keys
        ],
        Binding("ctrl+c", "end", show=False, priority=True),
    ]

    def __init__(
        self, model: Model, about: About, stats: RunStats, recording: Recording | None
    ) -> None:
        super().__init__(driver_class=TerminalDriver, ansi_color=True)
        self.theme = "ansi-dark"
        self.last_lines: Sequence[str] = ()
        self.failure: Exception | None = None
        self._model = model
        self._stats = stats
        self._keeping = Keeping(recording)
        self._rates = Rates()
        self._header = Header(about, stats, self._rates, model.maps)
        self._ticks = 0
        self.keyboard = Keyboard(self)
        self.foot = Foot(lambda: self._keeping.words)
        self.prompt = Prompt()
        self.maps = Maps(model.maps.values())
        self._said = Listing([[Segment("no map is shown", styles.DIM)]])  # where there is no map
        self._filter_before = ""
        self._pending_filter: str | None = None
        self._is_leaving = False
        self.loop: asyncio.AbstractEventLoop | None = None

    def compose(self) -> ComposeResult:
        """Put the lines above and below the pages."""
        yield Line(self._header.segments, id="header")
        if self._model.timeline:
            yield Line(self._timeline, id="timeline")
        if len(self.maps.images) > 1:
            yield Line(self.maps.tabs, id="tabs")
        yield from self.maps.pages
        if not self.maps.pages:
            yield self._said
        yield self.prompt
        yield self.foot.line

    def on_mount(self) -> None:
        """Begin to look at the model."""
        self.loop = asyncio.get_running_loop()
        self.begin_capture_print(self, stdout=True, stderr=True)
        self.maps.show() if self.maps.pages else self._said.focus()
        for widget in self.maps.visible:
            widget.tick()  # the first frame has the rows that came meanwhile
        self.set_interval(PERIOD, self._tick)
        if self._is_leaving:  # it came before there was a loop
            self.action_leave()

    def on_print(self, event: events.Print) -> None:
        """Show what is written to stderr on the last line, and keep it."""
        self.foot.keep(event.text)
        if not self.maps.pages:
            self._said.replace([[Segment(line)] for line in self.foot.kept])
            self._said.action_move(len(self.foot.kept))

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Let the keys follow the mouse, unless the prompt has them."""
        if self.prompt.kind:
            self.prompt.take_keys()
        elif self.maps.choose(event.widget):
            self._refresh("tabs", "timeline")

    def _refresh(self, *names: str) -> None:
        """Draw these lines anew, if they are there and have changed."""
        for name in names:
            for line in self.query(f"#{name}").results(Line):
                line.update()

    # the end

    def leave(self) -> None:
        """End, from any thread or signal handler."""
        self._is_leaving = True
        if self.loop:
            with suppress(RuntimeError):  # it is closed: the screen has ended
                self.loop.call_soon_threadsafe(self.action_leave)

    def ended(self) -> None:
        """Note that no more rows come, from the run's thread; the screen stays."""
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
            self.last_lines = self.maps.plain_lines()
        self._exception = error
        self._exception_event.set()
        self._close_messages_no_wait()

    # the run goes on

    def _tick(self) -> None:
        self._ticks += 1
        if self._pending_filter is not None:
            self._apply_filter(self._pending_filter)
        for widget in self.maps.visible:
            widget.tick()
        if self._rates.tick(self._stats.shown):
            self._refresh("header")
        self._refresh("timeline")
        self.foot.tick()
        if failure := self._keeping.failure():
            self.foot.tell(failure)
            self._show_recording()
        if self._ticks % _TOP_TICKS == 0 and isinstance(self.screen, TopDialog | StacksDialog):
            self.screen.tick()

    @property
    def table(self) -> Table | None:
        """The widget of the map that keys are about, if it has rows."""
        return self.maps.table

    def _timeline(self, columns: int) -> Segments:
        assert self._model.timeline, "there is a line only with it"
        row = table.current() if (table := self.table) else None
        return self._model.timeline.segments(columns, row.time_ns if row else None)

    # keys

    async def on_event(self, event: events.Event) -> None:
        """Take one key after the other."""
        if not self.keyboard.holds(event):
            await super().on_event(event)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave the keys to dialogs and to the prompt, except those that end."""
        del parameters
        if action in keys.ACTIONS and (len(self.screen_stack) > 1 or self.prompt.kind):
            return action in keys.ALWAYS
        return True

    def action_pause(self) -> None:
        """Pause, or go on."""
        if current := self.maps.current:
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
        if current := self.maps.current:
            current.move_column(step)

    def action_open(self) -> None:
        """Show all of a row."""
        if (table := self.table) and len(table.rows):
            self.push_screen(RowDialog(table), self._filter_by)

    def action_top(self) -> None:
        """Show the top values of the column."""
        table = self.table
        field = table.grid.fields[table.column] if table else None
        if table and field:
            is_stack = field in table.stacks.fields
            dialog = StacksDialog(table) if is_stack else TopDialog(table, field)
            self.push_screen(dialog, self._filter_by)
        elif table:
            self.foot.tell("top: choose a column with ← and →")

    def action_columns(self) -> None:
        """Choose the columns."""
        if table := self.table:
            self.push_screen(ColumnsDialog(table))

    def action_keys(self) -> None:
        """Show all keys."""
        self.push_screen(KeysDialog())

    def action_table(self, step: int) -> None:
        """Go to another map."""
        self.maps.step(step)
        self._refresh("tabs", "timeline")

    def action_time(self, step: int) -> None:
        """Go to a row that came a twentieth of all the time later, or earlier."""
        if (table := self.table) and (timeline := self._model.timeline):
            begin, end = timeline.span
            if not table.move_in_time(step * (end - begin) // _JUMPS):
                self.foot.tell("the rows are sorted: s goes back to the order of time")
            self._refresh("timeline")

    def action_zoom(self) -> None:
        """Show this map alone, or all of its image."""
        self.maps.zoom()

    def action_sort(self) -> None:
        """Sort by the column."""
        if (current := self.maps.current) and not current.sort_by(current.column):
            self.foot.tell("sort: there is one thing here")

    def action_hide(self) -> None:
        """Hide the column."""
        if table := self.table:
            table.hide_column()

    def action_shift(self, step: int) -> None:
        """Move the column."""
        if table := self.table:
            table.shift_column(step)

    def action_find(self, step: int) -> None:
        """Go to the next place of the text that is searched."""
        table = self.table
        if table and table.search.text and not table.find(step):
            self.foot.tell(f"not found: {safe(table.search.text)}")

    def action_clear(self) -> None:
        """End the search, then the filter, then the pause."""
        table = self.table
        if table and table.search.text:
            table.search_for("")
        elif table and table.filter:
            self._apply_filter("")
        elif (current := self.maps.current) and current.paused:
            current.pause(paused=False)

    def action_copy_row(self) -> None:
        """Copy the row as JSON."""
        table = self.table
        row = table.current() if table else None
        if table and row:
            self.copy_to_clipboard(json_of(table.model.decoder, [row]).rstrip("\n"))
            self.foot.tell("copied as JSON, if the terminal takes it (OSC 52)")

    def action_record(self) -> None:
        """Begin or end a recording."""
        if not self._keeping.can_record:
            self.foot.tell("record: this is a recording")
        elif self._keeping.recorded_to:
            self._attempt(self._keeping.stop)
        elif widget := self.maps.current:
            self._ask(RECORD, file_name(widget, "rec"))

    def action_write(self) -> None:
        """Write the rows that are here to a file."""
        if table := self.table:
            self._ask(WRITE, file_name(table, "jsonl"))

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
        self.last_lines = self.maps.plain_lines()
        self.exit()

    action_end = action_leave  # whatever has the keys

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
                self.foot.tell(f"not found: {safe(text)}")
        elif kind == WRITE and table and text:
            if not self._attempt(lambda: self._keeping.write(text, table)):
                return
        elif kind == RECORD and text and not self._attempt(lambda: self._keeping.record(text)):
            return
        self.prompt.close()
        self.screen.set_focus(self.maps.current)

    def _attempt(self, action: Callable[[], str]) -> bool:
        """Do something with a file, and show what was done, or the error."""
        try:
            done = action()
        except BeepyError as error:
            self.prompt.refuse(str(error))
            self.foot.tell(str(error))
            return False
        self.foot.tell(done)
        self._show_recording()
        return True

    def _show_recording(self) -> None:
        self._header.recording = self._keeping.recorded_to
        self._refresh("header", "foot")

    def _filter_by(self, expression: str | None) -> None:
        """Filter by an expression too, that was chosen in a dialog."""
        table = self.table
        if table and expression:
            self._apply_filter(table.filter_and(expression))

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
