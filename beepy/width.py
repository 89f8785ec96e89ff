"""How many columns of a terminal texts take, and how many it has: Chinese takes two a character, an accent none."""

import os
import re
from typing import Final

ELLIPSIS: Final = "\u2026"

_DEFAULT: Final = 80  # of a terminal that does not say
_MOST: Final = 4096


def width(text: str) -> int:
    """Return how many columns a terminal shows the text in."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth  # noqa: PLC0415 - few texts need it

    return max(wcswidth(text), 0)


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Return the text with blanks up to that width; ``right``: before it."""
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks


def truncate(text: str, columns: int, *, start: bool = False) -> str:
    """Return the text, or as much of it as fits with an ellipsis at its end; ``start``: at its start, as of a path."""
    if width(text) <= columns:
        return text
    if columns < 1:
        return ""
    if start:
        return ELLIPSIS + text[len(text) - _fitting(text[::-1], columns - 1) :]
    return text[: _fitting(text, columns - 1)] + ELLIPSIS


def wrap(text: str, columns: int, indent: str = "") -> list[str]:
    """Break a text between words into lines; those after the first begin with ``indent``.

    Only a word that is longer than a line is broken.
    """
    lines: list[str] = []
    line = ""
    for word in re.findall(" *[^ ]+", text):
        if line.strip() and width(line + word) > columns:
            lines.append(line)
            line = indent + word.lstrip()
        else:
            line += word
        while width(line) > columns and len(line) > (least := len(indent) + 1 if lines else 1):
            end = max(_fitting(line, columns), least)
            lines.append(line[:end])
            line = indent + line[end:]
    return [*lines, line]


def _fitting(text: str, columns: int) -> int:
    """Return how many characters of a text that is wider than ``columns`` fit."""
    if text.isascii():
        return columns
    from wcwidth import wcwidth  # noqa: PLC0415 - few texts need it

    end = taken = 0
    for end, character in enumerate(text):  # noqa: B007 - where the loop ends counts
        taken += max(wcwidth(character), 0)
        if taken > columns:
            break
    return end


def given() -> int | None:
    """Return how many columns COLUMNS asks for, None if it is not set or is no number of columns."""
    columns = os.environ.get("COLUMNS", "").lstrip("0")
    if not (columns.isascii() and columns.isdecimal()):
        return None
    return _MOST if len(columns) > len(str(_MOST)) else min(int(columns), _MOST)


def of_terminal(fd: int) -> int | None:
    """Return how many columns a terminal has, or COLUMNS in its place; None if ``fd`` leads to none."""
    try:
        columns = os.get_terminal_size(fd).columns
    except OSError:  # no terminal, or it has gone
        return None
    return given() or columns or _DEFAULT
