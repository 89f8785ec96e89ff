"""What rows are shown on: how large it is, and whether it can be redrawn."""

import os
from typing import Final, NamedTuple

_WIDTH: Final = 80  # of a terminal that does not say
_HEIGHT: Final = 24
_MOST: Final = 4096  # columns of COLUMNS


class Size(NamedTuple):
    """``width`` is what lines must fit in, ``height`` a screenful: None where there is no such limit.

    ``wraps`` is where the terminal wraps lines.
    """

    width: int | None
    height: int | None
    wraps: int


class Terminal:
    """What ``fd`` leads to: a terminal, or a pipe or a file, which have no size unless COLUMNS gives them a width."""

    def __init__(self, fd: int, *, wide: bool = False) -> None:
        self._fd = fd
        self._wide = wide
        self._is_terminal = os.isatty(fd)
        self._given = _given()
        self.live = self._is_terminal and os.environ.get("TERM", "") not in {"", "dumb"}

    def size(self) -> Size:
        """Return the size as it is now."""
        width = height = None
        wraps = _WIDTH
        if self._is_terminal:
            try:
                wraps, height = os.get_terminal_size(self._fd)
            except OSError:  # it has gone: the next write says so
                height = _HEIGHT
            width, wraps, height = wraps or _WIDTH, wraps or _WIDTH, height or _HEIGHT
        if self._wide:
            return Size(None, height, wraps)
        return Size(self._given or width, height, wraps)


def _given() -> int | None:
    """Return the width that COLUMNS gives, None if it gives none or is no number of columns."""
    given = os.environ.get("COLUMNS", "").lstrip("0")
    if not (given.isascii() and given.isdecimal()):
        return None
    return _MOST if len(given) > len(str(_MOST)) else min(int(given), _MOST)
