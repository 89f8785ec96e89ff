"""One value in its cell: its text for people, safe for a terminal, and as wide as the cell is."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from beepy.events import meaning, render
from beepy.events.fields import Field
from beepy.text import safe

ELLIPSIS: Final = "\u2026"

_TIME_WIDTH: Final = len("12:00:00.000")
_MEANT_WIDTH: Final = 12


class Cell(NamedTuple):
    """How a field is shown: ``text`` makes a value's text, safe for a terminal, "" of None.

    ``right`` says that texts stand to the right, as numbers do, ``time`` that they are points in time, ``duration``
    that they are times that something took, ``plain`` that they are integers just as they are. ``width`` is how many
    columns they usually take at most, ``bound`` how many they need at most if the type says it: a ``char[16]`` is wider
    only where it is not fit to print.
    """

    name: str
    text: Callable[[Any], str]
    right: bool
    time: bool
    duration: bool
    plain: bool
    width: int
    bound: int | None


def cells(fields: Sequence[Field], *, exact: bool = False) -> dict[Field, Cell]:
    """Return how each field of a record is shown; ``exact``: points in time are all the digits of the record."""
    return {field: _cell(field, fields, exact=exact) for field in fields}


def _cell(field: Field, fields: Sequence[Field], *, exact: bool) -> Cell:
    codec, meant = field.codec, meaning.of(field, fields)
    time = meant is not None and meant.name == meaning.TIME
    took = codec.text is render.duration or (meant is not None and meant.name == meaning.DURATION)
    text, columns = codec.text, codec.width
    if meant and not (time and exact):
        text = meant.text
        columns = _TIME_WIDTH if time else max(codec.width, _MEANT_WIDTH)
    right = codec.number and (meant is None or time or took)  # elsewhere a name stands beside the number
    plain = codec.plain and text is str
    bound = codec.size if codec.value is render.text and codec.size == codec.width else None
    return Cell(safe(field.name), partial(_safe_text, text), right, time, took, plain, columns, bound)


def _safe_text(text: Callable[[Any], str], value: Any) -> str:  # noqa: ANN401 - any field's value
    return "" if value is None else safe(text(value))


def width(text: str) -> int:
    """Return how many columns a terminal shows the text in: Chinese takes two a character, an accent none."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth  # noqa: PLC0415 - few texts need it

    return max(wcswidth(text), 0)


def padded(text: str, columns: int, *, right: bool) -> str:
    """Return the text with blanks up to that width."""
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks


def clipped(text: str, columns: int) -> str:
    """Return the text, or as much of it as fits with an ellipsis at its end."""
    if len(text) <= columns and text.isascii():
        return text
    if width(text) <= columns:
        return text
    if columns < 1:
        return ""
    if text.isascii():
        return text[: columns - 1] + ELLIPSIS
    from wcwidth import wcwidth  # noqa: PLC0415 - few texts need it

    end = left = 0
    for end, character in enumerate(text):  # noqa: B007 - where the loop ends counts
        left += max(wcwidth(character), 0)
        if left > columns - 1:
            break
    return text[:end] + ELLIPSIS
