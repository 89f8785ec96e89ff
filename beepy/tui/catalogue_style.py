"""What the screens of the catalogue have in common: colors, keys, texts that are no markup.

The colors are the terminal's own sixteen, on its own background: they fit a light one and a dark
one, and there are none with NO_COLOR.
"""

from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

THEME: Final = "ansi-dark"
BREAKPOINTS: Final = ((0, "-narrow"), (100, "-middle"), (140, "-wide"))  # columns

CSS: Final = """
Screen { background: ansi_default; }
#title { height: 1; padding: 0 1; text-style: reverse; }
Footer { background: ansi_default; }
OptionList > .option-list--option-highlighted, OptionList:focus > .option-list--option-highlighted {
    color: ansi_default; background: ansi_default;
}
Keys { align: center middle; }
Keys > Static { width: auto; height: auto; max-width: 90%; border: round ansi_cyan; padding: 1 2; }
"""


def title(text: str, right: str, columns: int) -> Content:
    """Return the top line: a text, and one at its right end."""
    from beepy.width import truncate, width  # noqa: PLC0415

    text = truncate(text, max(columns - width(right) - 3, 8))
    return Content(text + " " * max(columns - 2 - width(text) - width(right), 1) + right)


class Keys(ModalScreen[None]):
    """The keys of a screen, until any key is pressed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,enter,space", "dismiss", show=False)
    ]

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        self._keys = keys

    def compose(self) -> ComposeResult:
        """Make the box."""
        yield Static(_table([*self._keys, ("", ""), ("Esc", "close this")]))


def _table(rows: Iterable[tuple[str, str]]) -> Content:
    return Content("\n").join(
        [Content.assemble((key.ljust(16), "bold"), meaning) for key, meaning in rows]
    )
