"""What the catalogue is handed: images, what is known of one, and the boxes of its form."""

from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Final, NamedTuple


class Item(NamedTuple):
    """An image of the list, with the name that ``beepy run`` finds it by."""

    name: str
    description: str
    bundled: bool


class Kind(Enum):
    """How a box is filled in."""

    TEXT = auto()
    FLAG = auto()
    CHOICE = auto()
    CLOSED = auto()  # it cannot be: ``help`` says why


def fits(_text: str) -> str:
    """Return "": every text fits."""
    return ""


class Box(NamedTuple):
    """A box of the form: an option of ``beepy run``, or a variable, which ``--set`` sets.

    ``variable`` is "" for an option. ``type``, ``default`` and ``help`` are shown beside it;
    ``default`` is "true" or "false" for a FLAG, which is an argument only if it is changed.
    ``choices`` are those of a CHOICE beside its default. ``check`` returns what is wrong with a
    text, "" if it fits. Without a text the box is no argument. It must have one if it is
    ``required``; ``help`` says what is expected.
    """

    option: str
    variable: str = ""
    type: str = ""
    default: str = ""
    help: str = ""
    kind: Kind = Kind.TEXT
    choices: Sequence[str] = ()
    check: Callable[[str], str] = fits
    required: bool = False

    @property
    def title(self) -> str:
        """Return what stands before the box."""
        return self.variable or self.option

    def error(self, text: str) -> str:
        """Return what is wrong with the text in the box, "" if it fits."""
        if text:
            return self.check(text)
        return f"expected {self.help}" if self.required else ""

    def arguments(self, text: str) -> list[str]:
        """Return the arguments of ``beepy run`` that the text in the box stands for."""
        if not text or (self.kind is Kind.FLAG and text == self.default):
            return []
        return [self.option, f"{self.variable}={text}" if self.variable else text]


class Group(NamedTuple):
    """Boxes with a common heading."""

    title: str
    boxes: Sequence[Box]


class Fact(NamedTuple):
    """A line of what is known of an image; without a label it goes on with the one before."""

    label: str
    text: str


class Details(NamedTuple):
    """What is known of one image; ``error`` is why it cannot be read, or "" and it can be run."""

    facts: Sequence[Fact] = ()
    groups: Sequence[Group] = ()
    error: str = ""


UNREAD: Final = Details()
"""An image that is not read yet."""


class Remembered:
    """What is kept from one time that the catalogue is shown to the next.

    ``texts`` are those in the boxes of each image's form, by their titles; ``name`` is the image
    that was run last.
    """

    def __init__(self) -> None:
        self.texts: dict[str, dict[str, str]] = {}
        self.name = ""
