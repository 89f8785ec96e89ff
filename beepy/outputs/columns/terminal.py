"""What rows are shown on: how large it is, and whether it can be redrawn."""

import os
from typing import Final, NamedTuple

from beepy import width

_WIDTH: Final = 80  # of a terminal that does not say
_HEIGHT: Final = 24


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
        self._given = width.given()
        self.live = self._is_terminal and os.environ.get("TERM", "") not in {"", "dumb"}

    def size(self) -> Size:
        """Return the size as it is now."""
        columns = height = None
        wraps = _WIDTH
        if self._is_terminal:
            try:
                wraps, height = os.get_terminal_size(self._fd)
            except OSError:  # it has gone: the next write says so
                height = _HEIGHT
            columns = wraps = wraps or _WIDTH
            height = height or _HEIGHT
        if self._wide:
            return Size(None, height, wraps)
        return Size(self._given or columns, height, wraps)
