"""The terminal, pipe or file that rows are written to: its size, and whether it can be redrawn."""

import os
from typing import Final, NamedTuple

from beepy.width import columns_of_user

_WIDTH: Final = 80  # of a terminal that does not know its size
_HEIGHT: Final = 24


class Size(NamedTuple):
    """``width`` is the limit of lines, ``height`` that of a screenful, None if unlimited.

    ``wraps`` is the width at which the terminal wraps lines.
    """

    width: int | None
    height: int | None
    wraps: int


class Terminal:
    """The file of ``fd``, which the caller owns: a terminal, or a pipe or file without a height.

    COLUMNS gives either a width. ``wide``: lines have no limit.
    """

    def __init__(self, fd: int, *, wide: bool = False) -> None:
        self._fd = fd
        self.wide = wide
        self._is_terminal = os.isatty(fd)
        self._columns_of_user = columns_of_user()
        self.can_redraw = self._is_terminal and os.environ.get("TERM", "") not in {"", "dumb"}

    def size(self) -> Size:
        """Return the size as it is now."""
        columns = height = None
        wraps = _WIDTH
        if self._is_terminal:
            try:
                wraps, height = os.get_terminal_size(self._fd)
            except OSError:  # it is closed: the next write raises the error
                height = _HEIGHT
            columns = wraps = wraps or _WIDTH
            height = height or _HEIGHT
        if self.wide:
            return Size(None, height, wraps)
        return Size(self._columns_of_user or columns, height, wraps)
