"""The catalogue: a list of images to choose from, what each shows, and the form to run one.

It is handed the images, and what reads one: it opens no file and asks no kernel.
"""

import asyncio
import signal
from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from textual import events, on, work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.style import Style
from textual.widgets import Footer, Input, OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import get_current_worker

from beepy.errors import OutputError
from beepy.text import excerpt, safe
from beepy.tui import catalogue_facts
from beepy.tui.catalogue_form import AS_ROOT, Form, Program
from beepy.tui.catalogue_items import UNREAD, Details, Fact, Item, Remembered
from beepy.tui.catalogue_style import BREAKPOINTS, CSS, THEME, Keys, title
from beepy.tui.driver import TerminalDriver
from beepy.tui.keyboard import Keyboard
from beepy.tui.terminal_file import UNHANDLED
from beepy.width import pad, truncate, width

_MAX_NAME: Final = 34  # columns
_MAX_DESCRIPTION: Final = 300  # characters
_CURSOR: Final = "option-list--option-highlighted"
_REVERSED: Final = Style(reverse=True)
_KEYS: Final = (
    ("Up, Down", "another image (Ctrl-P, Ctrl-N too)"),
    ("letters, /", "search in names and descriptions"),
    ("Enter", "choose: set its options, then run it"),
    ("Tab", "to the facts and back; arrows scroll them"),
    ("Esc", "clear the search"),
    ("?, F1", "these keys; in the search F1 alone"),
    ("Ctrl-Z", "to the shell; fg comes back"),
    ("q, Ctrl-C", "quit"),
)


class _Images(OptionList):
    """The list; letters go to the search."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Choose", key_display="Enter"),
        Binding("ctrl+n", "cursor_down", show=False),
        Binding("ctrl+p", "cursor_up", show=False),
    ]

    def get_visual_style(self, *component_classes: str, partial: bool = False) -> Style:
        """Return the style of a line: that under the cursor is reversed, which CSS cannot say."""
        style = super().get_visual_style(*component_classes, partial=partial)
        return style + _REVERSED if _CURSOR in component_classes else style

    def on_key(self, event: events.Key) -> None:
        """Begin a search with a letter that is no key of its own."""
        character = event.character
        if character and character.isprintable() and character not in " q?/":
            event.stop()
            event.prevent_default()
            search = self.screen.query_one(_Search)
            self.screen.set_focus(search)
            search.value += character
            search.cursor_position = len(search.value)


class _Search(Input):
    """The search; the keys that move in the list do so from here too."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Choose", key_display="Enter"),
        Binding("down,ctrl+n", "move('cursor_down')", show=False),
        Binding("up,ctrl+p", "move('cursor_up')", show=False),
        Binding("pagedown", "move('page_down')", show=False),
        Binding("pageup", "move('page_up')", show=False),
        # characters are its own: what the list has for them is not shown, but these
        Binding("escape", "screen.clear", "Clear", key_display="Esc"),
        Binding("f1", "screen.keys", "Keys", key_display="F1"),
    ]

    def action_move(self, action: str) -> None:
        """Move the cursor of the list."""
        getattr(self.screen.query_one(_Images), f"action_{action}")()


class _List(Screen[None]):
    """The images, and what is known of the one under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "choose", "Choose", key_display="Enter"),
        Binding("slash", "search", "Search"),
        Binding("tab", "app.focus_next", "Facts", key_display="Tab"),
        Binding("escape", "clear", "Clear", show=False),
        Binding("question_mark", "keys", "Keys"),
        Binding("f1", "keys", show=False),
        Binding("q", "app.quit", "Quit"),
    ]
    DEFAULT_CSS = """
    _List #search { margin: 0 1; }
    _List #body { layout: vertical; height: 1fr; }
    _List #images { height: 1fr; border: none; padding: 0; scrollbar-size-vertical: 1; }
    _List #facts { height: 1fr; border-top: solid ansi_cyan; padding: 0 1; }
    _List #facts { scrollbar-size-vertical: 1; scrollbar-gutter: stable; }
    _List.-wide #body { layout: horizontal; }
    _List.-wide #images { width: 1fr; height: 1fr; }
    _List.-wide #facts { width: 1fr; border-top: none; border-left: solid ansi_cyan; }
    """

    def __init__(
        self,
        items: Sequence[Item],
        details: Callable[[str], Details],
        program: Program,
        remembered: Remembered,
    ) -> None:
        super().__init__()
        self._items = items
        self._read = details
        self._program = program
        self._known: dict[str, Details] = {}
        self._is_reading = False
        self._remembered = remembered
        self._shown: list[Item] = []
        self._facts = Static("", markup=False)
        self._title = Static("", id="title", markup=False)

    def compose(self) -> ComposeResult:
        """Make the screen."""
        yield self._title
        yield _Search(
            placeholder="type to search", id="search", compact=True, select_on_focus=False
        )
        with Container(id="body"):
            yield _Images(id="images", compact=True, markup=False)
            with VerticalScroll(id="facts"):
                yield self._facts
        yield Footer()

    def on_mount(self) -> None:
        """Show all images, and the facts of the one that was run last, or of the first one."""
        self._filter("")
        names = [item.name for item in self._shown]
        if self._remembered.name in names:
            self.query_one(_Images).highlighted = names.index(self._remembered.name)
        self.query_one(_Images).focus()

    def on_resize(self) -> None:
        """Fit the lines to the new width, once it is known what there is room for."""
        self.call_after_refresh(self._refit)

    def _refit(self) -> None:
        self._fill(self.query_one(_Images).highlighted)
        self._show_facts()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._filter(event.value)

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.action_choose()

    @on(OptionList.OptionSelected)
    def _selected(self) -> None:
        self.action_choose()

    @on(OptionList.OptionHighlighted)
    def _highlighted(self) -> None:
        self._show_facts()
        self._read_next()

    def _filter(self, text: str) -> None:
        words = text.casefold().split()
        named = [i for i in self._items if all(w in i.name.casefold() for w in words)]
        told = [i for i in self._items if all(w in _searched(i) for w in words)]
        self._shown = [*named, *[item for item in told if item not in named]]
        self._fill(0)
        if not self._shown:
            self._show_facts()

    def _fill(self, cursor: int | None) -> None:
        images = self.query_one(_Images)
        columns = max(images.scrollable_content_region.width, 20)
        names = [width(safe(item.name)) for item in self._items]
        wide = min(max(names, default=0), _MAX_NAME, columns // 2)
        images.set_options([Option(_line(item, wide, columns - 1)) for item in self._shown])
        images.highlighted = cursor if self._shown else None
        count = f"{len(self._shown)} of {len(self._items)} images"
        self._title.update(title("beepy: choose an image to run", count, self.size.width))

    def _item(self) -> Item | None:
        number = self.query_one(_Images).highlighted
        return self._shown[number] if number is not None and number < len(self._shown) else None

    def _read_next(self) -> None:
        """Read the image under the cursor, unless one is being read: then it comes after it."""
        item = self._item()
        if item and item.name not in self._known and not self._is_reading:
            self._is_reading = True
            self._read_in_thread(item.name)

    @work(thread=True)
    def _read_in_thread(self, name: str) -> None:
        """Read an image, which may take its time."""
        details = self._read(name)
        if not get_current_worker().is_cancelled:
            self.app.call_from_thread(self._was_read, name, details)

    def _was_read(self, name: str, details: Details) -> None:
        self._known[name] = details
        self._is_reading = False
        self._show_facts()
        self._read_next()

    def _show_facts(self) -> None:
        item = self._item()
        if item is None:
            self._facts.update("no image of that name or description; beepy pull brings others")
            return
        details = self._known.get(item.name, UNREAD)
        columns = max(self.query_one("#facts").scrollable_content_region.width, 20)
        origin = "bundled" if item.bundled else "stored here"
        head = Content.assemble(
            (safe(item.name), "bold"), f"  {origin}\n", excerpt(item.description, _MAX_DESCRIPTION)
        )
        facts = details.facts
        if details.error:
            facts = [Fact("error", details.error)]
        body = [
            Content.assemble((label, "bold"), text)
            for label, text in catalogue_facts.lines(facts, columns)
        ]
        self._facts.update(Content("\n").join([head, Content(""), *body]))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Leave / to the search, where it is a character."""
        del parameters
        return not (action == "search" and isinstance(self.focused, _Search))

    def action_choose(self) -> None:
        """Open the form of the image under the cursor; one that cannot be read has none."""
        item = self._item()
        if item is None:
            return
        if item.name not in self._known:
            self._known[item.name] = self._read(item.name)
        if self._known[item.name].error:
            self._show_facts()
            self.app.bell()
            return
        kept = self._remembered.texts.setdefault(item.name, {})
        form = Form(item, self._known[item.name], self._program, kept)
        self.app.push_screen(form, self._chosen)

    def _chosen(self, arguments: list[str] | None) -> None:
        if arguments and (item := self._item()):
            self._remembered.name = item.name
            self.app.exit(arguments)

    def action_search(self) -> None:
        """Go to the search."""
        self.query_one(_Search).focus()

    def action_clear(self) -> None:
        """Show all images again."""
        self.query_one(_Search).value = ""
        self.query_one(_Images).focus()

    def action_keys(self) -> None:
        """Show all keys."""
        self.app.push_screen(Keys(_KEYS))


def _searched(item: Item) -> str:
    return f"{item.name} {item.description}".casefold()


def _line(item: Item, name_columns: int, columns: int) -> Content:
    # of a registry's images the ends differ
    name = pad(truncate(safe(item.name), name_columns, start=True), name_columns)
    description = truncate(
        excerpt(item.description, _MAX_DESCRIPTION), max(columns - name_columns - 4, 8)
    )
    return Content.assemble(" ", (name, "bold"), "  ", description)


class Catalogue(App[list[str]]):
    """Returns the arguments of ``beepy`` that run the chosen image, None if nothing was chosen.

    ``details`` is called in a thread with an image's name; ``remembered`` is what the catalogue
    begins with, and what it was left with. ``was_ended``: a signal has ended it.
    ``failure`` is why it could not go on, if it could not.
    """

    CSS = CSS
    ENABLE_COMMAND_PALETTE = False
    HORIZONTAL_BREAKPOINTS = [*BREAKPOINTS]  # noqa: RUF012 - as App declares it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", show=False),
    ]

    def __init__(
        self,
        items: Sequence[Item],
        details: Callable[[str], Details],
        program: Program = AS_ROOT,
        remembered: Remembered | None = None,
    ) -> None:
        super().__init__(driver_class=TerminalDriver, ansi_color=True)
        self.theme = THEME
        self.animation_level = "none"  # over a slow line, each step is one more frame
        self.was_ended = False
        self.failure: Exception | None = None
        self.keyboard = Keyboard(self)
        self._list = _List(items, details, program, remembered or Remembered())

    async def on_event(self, event: events.Event) -> None:
        """Take one key after the other."""
        if not self.keyboard.holds(event):
            await super().on_event(event)

    def on_mount(self) -> None:
        """Show the list; textual itself leaves the terminal as it is after these signals.

        Even a SIGHUP that nohup(1) ignores ends it: there is no terminal any more.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP, *UNHANDLED):
            loop.add_signal_handler(number, self._end)
        self.push_screen(self._list)

    def panic(self, *renderables: object) -> None:
        """End: the terminal cannot be read any more."""
        del renderables
        self.failure = self.failure or OutputError("terminal: it cannot be read any more")
        self.exit()

    def _handle_exception(self, error: Exception) -> None:
        """End with an error, which the caller reports, instead of drawing a traceback."""
        self.failure = self.failure or error
        self._exception = error
        self._exception_event.set()
        self._close_messages_no_wait()

    def _end(self) -> None:
        self.was_ended = True
        self.exit()
