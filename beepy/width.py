"""The width of texts on a terminal, and of terminals, in columns.

A character of Chinese takes two columns, a combining accent none.
"""

import os
import re
from typing import Final

ELLIPSIS: Final = "\u2026"

_DEFAULT: Final = 80  # of a terminal that does not know its size
_MAX: Final = 4096


def width(text: str) -> int:
    """Return the number of columns that the text takes on a terminal."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth  # noqa: PLC0415 - few texts need it

    return max(wcswidth(text), 0)


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Return the text padded with blanks to ``columns``; ``right``: aligned to the right."""
    blanks = " " * (columns - width(text))
    return blanks + text if right else text + blanks


def truncate(text: str, columns: int, *, start: bool = False) -> str:
    """Return the text, cut to ``columns`` with an ellipsis at its end, or at its ``start``."""
    if width(text) <= columns:
        return text
    if columns < 1:
        return ""
    if start:
        return ELLIPSIS + text[len(text) - _fitting(text[::-1], columns - 1) :]
    return text[: _fitting(text, columns - 1)] + ELLIPSIS


def wrap(text: str, columns: int, indent: str = "") -> list[str]:
    """Break a text between words into lines; all but the first begin with ``indent``.

    Only a word longer than a line is broken.
    """
    lines: list[str] = []
    line = ""
    for word in re.findall(" *[^ ]+", text):
        if line.strip() and width(line + word) > columns:
            lines.append(line)
            line = indent + word.lstrip()
        else:
            line += word
        # A line has at least one character besides its indent, so that this ends.
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

    taken = 0
    for position, character in enumerate(text):
        taken += max(wcwidth(character), 0)
        if taken > columns:
            return position
    return max(len(text) - 1, 0)


def columns_of_user() -> int | None:
    """Return the width in COLUMNS, None if it is not set or not a positive number."""
    columns = os.environ.get("COLUMNS", "").lstrip("0")
    if not (columns.isascii() and columns.isdecimal()):
        return None
    return _MAX if len(columns) > len(str(_MAX)) else min(int(columns), _MAX)


def columns_of_terminal(fd: int) -> int | None:
    """Return the width of a terminal, or COLUMNS if it is set; None if ``fd`` is not a terminal."""
    try:
        columns = os.get_terminal_size(fd).columns
    except OSError:  # not a terminal, or closed
        return None
    return columns_of_user() or columns or _DEFAULT
