"""The form of one image: its options in boxes, and the command line that does the same."""

import shlex
from collections.abc import Iterator, Sequence
from typing import ClassVar, Final, NamedTuple

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer, Input, Static

from beepy.text import excerpt, safe
from beepy.tui.catalogue_controls import Changed, Choice, Control, Flag, Text
from beepy.tui.catalogue_items import Box, Details, Group, Item, Kind
from beepy.tui.catalogue_style import Keys, title
from beepy.width import truncate, width, wrap

_MAX_TITLE: Final = 28  # columns of the names before the boxes
_MAX_HELP: Final = 400  # characters
_MAX_HELP_LINES: Final = 2
_MAX_COMMAND: Final = 3  # lines
_BLANK: Final = "\x00"  # in the place of one within a word
_KEYS: Final = (
    ("Tab, Down", "next box"),
    ("Shift+Tab, Up", "previous box"),
    ("Space", "change a check box; the next of several values"),
    ("Enter", "run what the command line says"),
    ("Esc", "back to the images"),
    ("?, F1", "these keys; in a text F1 alone"),
    ("Ctrl-C", "quit"),
)


class Program(NamedTuple):
    """How ``beepy run`` is started here; ``note`` is what is said beside it."""

    words: Sequence[str] = ("beepy",)
    note: str = ""


AS_ROOT: Final = Program()


class Row(Vertical):
    """One box, with its name, what may stand in it, and what is wrong with what stands there."""

    DEFAULT_CSS = """
    Row { height: auto; }
    Row Horizontal { height: auto; }
    Row .name { width: auto; padding: 0 1; }
    Row Text { width: 26; }
    Row .edge { width: 1; }
    Row Flag, Row Choice { width: 28; }
    Row Flag:focus, Row Choice:focus { text-style: reverse; }
    Row.current .name { color: ansi_cyan; text-style: bold; }
    Row .help { width: 1fr; height: 1; padding: 0 1; }
    Row .help { text-wrap: nowrap; text-overflow: ellipsis; }
    Row .closed { width: 1fr; height: auto; max-height: 3; padding: 0 1 0 0; text-style: dim; }
    Row .error { color: ansi_red; display: none; height: auto; }
    Row .error.shown { display: block; }
    """

    def __init__(self, box: Box, text: str, columns: int) -> None:
        super().__init__()
        self.box = box
        self._columns = columns
        self._error = Static("", classes="error", markup=False)
        self._error.styles.padding = (0, 1, 0, columns + 2)
        self._control = _control(box, text)

    def compose(self) -> ComposeResult:
        """Make the row."""
        name = truncate(safe(self.box.title), self._columns)
        with Horizontal():
            label = Static(name, classes="name", markup=False)
            label.styles.width = self._columns + 2
            yield label
            if self._control is None:
                yield Static(f"- {self._short_help()}", classes="closed", markup=False)
                return
            is_text = isinstance(self._control, Text)
            if is_text:
                yield Static("[", classes="edge", markup=False)
            yield self._control
            if is_text:
                yield Static("]", classes="edge", markup=False)
            yield Static(self._short_help(), classes="help dim", markup=False)
        yield self._error

    def on_descendant_focus(self) -> None:
        """Show where the cursor is."""
        self.add_class("current")

    def on_descendant_blur(self) -> None:
        """Show that it is elsewhere."""
        self.remove_class("current")

    def _short_help(self) -> str:
        kind = "" if self.box.kind is Kind.FLAG and self.box.help else self.box.type
        return excerpt("  ".join(filter(None, [kind, self.box.help])), _MAX_HELP)

    def help(self) -> str:
        """Return all that is known of the box."""
        box = self.box
        default = f"default {box.default}" if box.default else ""
        return ": ".join(
            filter(None, [box.title, ", ".join(filter(None, [box.type, default])), box.help])
        )

    @property
    def error(self) -> str:
        """What is wrong with the text in the box, "" if it fits."""
        return self.box.error(self.text)

    @property
    def text(self) -> str:
        """What stands in the box."""
        return self._control.text if self._control else ""

    def check(self) -> None:
        """Show what is wrong with what the user has put in."""
        self.show_error(self.error if self.text else "")

    def focus_box(self) -> None:
        """Put the cursor into the box."""
        if self._control:
            self._control.focus()

    def show_error(self, error: str) -> None:
        """Show what is wrong under the box, or nothing."""
        self._error.update(excerpt(error, _MAX_HELP))
        self._error.set_class(bool(error), "shown")


class _Boxes(VerticalScroll, inherit_bindings=False):
    """The rows; the arrows go from box to box."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
    ]


class Form(Screen[list[str] | None]):
    """Dismissed with the arguments of ``beepy run``, or with None: back to the list.

    ``kept`` are the texts in the boxes by their titles: those that it begins with, and then those
    that it was left with.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "run", "Run", key_display="Enter"),
        Binding("escape", "back", "Back", key_display="Esc"),
        Binding("down,tab", "app.focus_next", show=False, priority=True),
        Binding("up,shift+tab", "app.focus_previous", show=False, priority=True),
        # a text takes this one as a character: then the footer does not show it
        Binding("question_mark", "keys", "Keys", key_display="?"),
        Binding("f1", "keys", show=False),
    ]
    DEFAULT_CSS = """
    Form #boxes { height: 1fr; padding: 1 0 0 0; }
    Form .group { padding: 0 1; text-style: bold; }
    Form.-middle Text, Form.-wide Text { width: 46; }
    Form.-middle Flag, Form.-middle Choice, Form.-wide Flag, Form.-wide Choice { width: 48; }
    Form Row.last { margin: 0 0 1 0; }
    Form #help { height: auto; max-height: 2; padding: 0 1; }
    Form .dim { text-style: dim; }
    Form #command { height: auto; max-height: 4; padding: 0 1; border-top: solid ansi_cyan; }
    """

    def __init__(
        self, item: Item, details: Details, program: Program, kept: dict[str, str]
    ) -> None:
        super().__init__()
        self._kept = kept
        self._item = item
        self._details = details
        self._program = program
        self._help = Static("", id="help", classes="dim", markup=False)
        self._command = Static("", id="command", markup=False)
        self._title = Static("", id="title", markup=False)

    def compose(self) -> ComposeResult:
        """Make the form."""
        yield self._title
        groups = self._details.groups
        names = [width(safe(box.title)) for group in groups for box in group.boxes]
        columns = min(max(names, default=0), _MAX_TITLE)
        with _Boxes(id="boxes", can_focus=False):
            for group in groups:
                yield from self._group(group, columns)
        yield self._help
        yield self._command
        yield Footer()

    def _group(self, group: Group, columns: int) -> ComposeResult:
        yield Static(group.title, classes="group", markup=False)
        for box in group.boxes:
            row = Row(box, self._kept.get(box.title, ""), columns)
            row.set_class(box is group.boxes[-1], "last")
            yield row

    def on_mount(self) -> None:
        """Show the command line as it is with nothing filled in."""
        self._show()

    def on_resize(self, event: events.Resize) -> None:
        """Fit the texts to the new width."""
        text = f"{safe(self._item.name)}: {safe(self._item.description)}"
        self._title.update(title(text, "run an image", event.size.width))
        self._show()

    @on(Changed)
    def _changed(self, event: Changed) -> None:
        row = _row(event.sender)
        if row:
            row.check()
        self._show()

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.action_run()

    def on_descendant_focus(self) -> None:
        """Show what is known of the box that the user came to."""
        self._show_help()

    def _rows(self) -> Iterator[Row]:
        return iter(self.query(Row))

    def arguments(self) -> list[str]:
        """Return the arguments of ``beepy``, as the boxes are filled in."""
        options = [word for row in self._rows() for word in row.box.arguments(row.text)]
        return ["run", self._item.name, *options]

    def _show(self) -> None:
        words = [*self._program.words, *self.arguments()]
        quoted = [safe(shlex.quote(word)).replace(" ", _BLANK) for word in words]  # wrapped whole
        lines = wrap(f"$ {' '.join(quoted)}", self._columns, "    ")
        self._command.update(_at_most(_MAX_COMMAND, lines).replace(_BLANK, " "))
        self._show_help()

    def _show_help(self) -> None:
        row = _row(self.focused) if self.focused else None
        text = row.help() if row else self._program.note
        lines = wrap(excerpt(text, _MAX_HELP), self._columns, "    ")
        self._help.update(_at_most(_MAX_HELP_LINES, lines))

    @property
    def _columns(self) -> int:
        return max(self.size.width - 2, 20)

    def action_run(self) -> None:
        """Return the arguments, unless a box is not filled in rightly: go to the first."""
        for row in self._rows():
            if error := row.error:
                row.show_error(error)
                row.focus_box()
                return
        self._keep()
        self.dismiss(self.arguments())

    def action_back(self) -> None:
        """Go back to the list, which keeps what has been filled in."""
        self._keep()
        self.dismiss(None)

    def _keep(self) -> None:
        self._kept.update({row.box.title: row.text for row in self._rows()})

    def action_keys(self) -> None:
        """Show all keys."""
        self.app.push_screen(Keys(_KEYS))


def _control(box: Box, text: str) -> Control | None:
    match box.kind:
        case Kind.FLAG:
            return Flag(value=(text or box.default) == "true")
        case Kind.CHOICE:
            return Choice(text, box.choices, box.default or ("choose" if box.required else "none"))
        case Kind.TEXT:
            return Text(text, box.default)
        case Kind.CLOSED:
            return None


def _at_most(count: int, lines: list[str]) -> str:
    """Return the first lines as one text, with dots in the place of others."""
    more = " ..." if len(lines) > count else ""
    return "\n".join(lines[:count]) + more


def _row(widget: Widget) -> Row | None:
    return next((node for node in widget.ancestors if isinstance(node, Row)), None)
