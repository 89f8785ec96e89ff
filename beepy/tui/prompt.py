"""The line at the bottom where a filter, a search or a file's name is typed."""

import re
from typing import ClassVar, Final

from rich.segment import Segment
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input

from beepy.text import safe
from beepy.tui import styles
from beepy.tui.completion import Candidates, candidates
from beepy.tui.line import Line, Segments
from beepy.tui.table import Table

FILTER: Final = "filter"
SEARCH: Final = "search"
WRITE: Final = "write rows to"
RECORD: Final = "record to"

_PLACE: Final = re.compile(r"^[^:]*: column (\d+): (.*)", re.DOTALL)


class Prompt(Vertical):
    """A label, what is typed, and a line below with candidates or with what is wrong.

    ``kind`` is its label and its purpose, "" while it is closed.
    """

    DEFAULT_CSS: ClassVar[str] = """
    Prompt { height: 2; display: none; }
    Prompt Horizontal { height: 1; }
    Prompt #label { width: auto; }
    Prompt Input { width: 1fr; height: 1; border: none; padding: 0; }
    Prompt Input:focus { border: none; }
    """

    BINDINGS: ClassVar = [
        ("escape", "cancel"),
        ("tab", "complete"),
        ("up", "cancel"),
    ]

    class Changed(Message):
        """Something was typed."""

    class Ended(Message):
        """Enter, or Escape (``accepted`` is False)."""

        def __init__(self, *, accepted: bool) -> None:
            super().__init__()
            self.accepted = accepted

    def __init__(self) -> None:
        super().__init__()
        self.kind = ""
        self.error = ""
        self._is_asked = False  # Enter was pressed since the last change
        self._table: Table | None = None
        self._candidates = Candidates(0, ())
        self._label = Line(self._label_segments, id="label")
        self._input = Input(compact=True, select_on_focus=False)
        self._below = Line(self._below_segments)

    def compose(self) -> ComposeResult:
        """Put the label before the input, and the other line below."""
        with Horizontal():
            yield self._label
            yield self._input
        yield self._below

    @property
    def text(self) -> str:
        """What is typed."""
        return self._input.value

    def open(self, kind: str, text: str, table: Table | None) -> None:
        """Ask for something, about a table for a filter."""
        self.kind, self.error, self._table = kind, "", table
        self._label.styles.width = len(kind) + 2
        self._input.value = text
        self._input.cursor_position = len(text)
        self._label.refresh()
        self.display = True
        self.take_keys()
        self._suggest()

    def take_keys(self) -> None:
        """Give the keys to what is typed, at once."""
        self.screen.set_focus(self._input)

    def close(self) -> None:
        """Ask no more."""
        self.kind = ""
        self.display = False

    def refuse(self, error: str) -> None:
        """Show what is wrong with what is typed, "" for nothing."""
        self.error = error
        self._below.refresh()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Suggest how it goes on."""
        event.stop()
        self._is_asked = False
        self._suggest()
        if self.kind:
            self.post_message(self.Changed())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take what is typed."""
        event.stop()
        self._is_asked = True
        self.post_message(self.Ended(accepted=True))

    def action_cancel(self) -> None:
        """Go back to what was."""
        self.post_message(self.Ended(accepted=False))

    def action_complete(self) -> None:
        """Take the first candidate."""
        if self._candidates.texts:
            start, (first, *_) = self._candidates
            rest = "" if first.endswith("(") else " "
            self._input.value = f"{self.text[:start]}{first}{rest}"
            self._input.cursor_position = len(self._input.value)

    def _suggest(self) -> None:
        is_filter = self.kind == FILTER and self._table
        typed = self.text[: self._input.cursor_position]
        if is_filter and self._table and typed == self.text:
            self._candidates = candidates(typed, self._table.rows)
        else:
            self._candidates = Candidates(0, ())
        self._below.refresh()

    def _label_segments(self, _: int) -> Segments:
        return [Segment(f"{self.kind}: ", styles.KEY)]

    def _below_segments(self, columns: int) -> Segments:
        indent = len(self.kind) + 2
        # while it is typed, what may come next says more than what is missing
        if self.error and (self._is_asked or not self._candidates.texts):
            place = _PLACE.match(self.error)
            column, why = (int(place[1]) - 1, place[2]) if place else (0, self.error)
            caret = " " * min(indent + column, max(columns - 30, 0))
            return [Segment(f"{caret}^ {safe(why)}", styles.FAILED)]
        if self._candidates.texts:
            return self._candidate_segments(indent)
        ends = {FILTER: "Enter keeps it, Escape takes it back", SEARCH: "n next, N previous"}
        return [Segment(" " * indent + ends.get(self.kind, ""), styles.DIM)]

    def _candidate_segments(self, indent: int) -> Segments:
        first, *others = self._candidates.texts
        return [
            Segment(" " * indent),
            Segment(safe(first), styles.KEY),
            Segment(" (Tab)  ", styles.DIM),
            Segment("  ".join(map(safe, others)), styles.DIM),
        ]
