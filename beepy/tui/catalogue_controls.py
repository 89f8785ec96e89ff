"""What is filled in in the catalogue's form: a text, a check box, one of several values.

Each is one line high and can be told apart without colors. Enter and the arrows up and down are
the form's.
"""

from collections.abc import Sequence
from typing import ClassVar, Final, TypeAlias

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from beepy.text import excerpt
from beepy.width import truncate

_MAX_PLACEHOLDER: Final = 60  # characters


class Changed(Message):
    """The user has changed a control. Its ``text`` is what stands in it, "" for nothing.

    That is asked for when it is used: keys may come faster than messages.
    """

    def __init__(self, sender: Widget) -> None:
        super().__init__()
        self.sender = sender


class Text(Input):
    """A line of text; ``default`` stands in it until something is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Run", key_display="Enter"),
        Binding("escape", "screen.back", "Back", key_display="Esc"),
        Binding("f1", "screen.keys", "Keys", key_display="F1"),
    ]

    def __init__(self, text: str, default: str) -> None:
        placeholder = excerpt(default, _MAX_PLACEHOLDER)
        super().__init__(text, placeholder, compact=True, select_on_focus=False)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell the form."""
        event.stop()
        self.post_message(Changed(self))

    @property
    def text(self) -> str:
        """What stands in it."""
        return self.value


class Flag(Static, can_focus=True):
    """A check box."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "change", "Change", key_display="Space")
    ]

    def __init__(self, *, value: bool) -> None:
        super().__init__(_flag(value=value), markup=False)
        self._value = value

    def on_click(self) -> None:
        """Change it."""
        self.action_change()

    def action_change(self) -> None:
        """Change it, and tell the form."""
        self._value = not self._value
        self.update(_flag(value=self._value))
        self.post_message(Changed(self))

    @property
    def text(self) -> str:
        """Whether it is checked, as --set has it."""
        return "true" if self._value else "false"


class Choice(Static, can_focus=True):
    """One of several values, or none: then ``default`` is shown. A letter goes to its value."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "move(1)", "Next value", key_display="Space"),
        Binding("right", "move(1)", show=False),
        Binding("left", "move(-1)", show=False),
        Binding("backspace,delete", "clear", show=False),
    ]

    def __init__(self, text: str, choices: Sequence[str], default: str) -> None:
        self._choices = ["", *choices]
        self._default = default
        self._chosen = self._choices.index(text)
        super().__init__(markup=False)

    def render(self) -> Content:
        """Return the value between arrows."""
        text = excerpt(self._choices[self._chosen] or self._default)
        shown = truncate(text, max(self.size.width - 4, 1))
        style = "" if self._chosen else "dim"
        return Content.assemble("< ", (shown, style), " >")

    def on_click(self) -> None:
        """Go to the next value."""
        self.action_move(1)

    def on_key(self, event: events.Key) -> None:
        """Go to the next value that begins with a letter."""
        letter = (event.character or "").casefold()
        count = len(self._choices)
        for steps in range(1, count if letter.isalnum() else 0):
            value = self._choices[(self._chosen + steps) % count] or self._default
            if value.casefold().startswith(letter):
                event.stop()
                self.action_move(steps)
                return

    def action_clear(self) -> None:
        """Go back to none."""
        self.action_move(-self._chosen)

    def action_move(self, steps: int) -> None:
        """Go on to another value, and tell the form."""
        self._chosen = (self._chosen + steps) % len(self._choices)
        self.refresh()
        self.post_message(Changed(self))

    @property
    def text(self) -> str:
        """The value that is chosen."""
        return self._choices[self._chosen]


Control: TypeAlias = Text | Flag | Choice


def _flag(*, value: bool) -> Content:
    return Content("[x] true" if value else "[ ] false")
