"""Rows of all maps on one screen, with headings that are repeated each screenful."""

import math
from collections.abc import Mapping

from beepy.events.batch import Batch, Schema
from beepy.outputs.columns.grid import hidden_line
from beepy.outputs.columns.sheet import Sheet
from beepy.outputs.columns.terminal import Size
from beepy.width import width


class Pages:
    """Divides the rows of all maps into pages; the headings of all maps are shown together."""

    def __init__(self, sheets: Mapping[Schema, Sheet]) -> None:
        self._sheets = sheets
        self._size: Size | None = None
        self._lines_left = 0.0  # until the headings are repeated
        self._hidden: list[str] = []  # the line of hidden columns as it was last shown

    @property
    def has_rows(self) -> bool:
        """Whether a row was shown."""
        return self._size is not None

    def lines(self, batch: Batch, size: Size, block_height: int) -> list[str]:
        """Return the lines of a batch, with headings; ``block_height`` of the screen is taken."""
        sheet = self._sheets[batch.schema]
        columns = sheet.read(batch, size.width)
        resized, self._size = size != self._size, size
        # A resize fits all maps anew, a batch only its own.
        sheets = [other for other in self._sheets.values() if resized or other is sheet]
        changed = [other.fit(size.width) for other in sheets]
        if resized or any(changed):
            self._lines_left = 0
        rows = sheet.lines(columns, batch.records, size.width)
        lines: list[str] = []
        position = 0
        while position < len(rows):
            if self._lines_left <= 0:
                headings = self._headings(size.width, again=resized)
                lines += headings
                page_height = size.height - block_height - 1 if size.height else math.inf
                self._lines_left = page_height - len(headings)
                resized = False
            # Without a width rows may wrap: they are counted one at a time.
            count = int(min(max(self._lines_left, 1), len(rows) - position)) if size.width else 1
            lines += rows[position : position + count]
            position += count
            self._lines_left -= count if size.width else -(-width(lines[-1]) // size.wraps)
        return lines

    def _headings(self, max_width: int | None, *, again: bool) -> list[str]:
        """Return the headings, below the line of hidden columns if that changed, or ``again``."""
        sheets = self._sheets.values()
        hidden = hidden_line([(sheet.name, sheet.layout.hidden) for sheet in sheets], max_width)
        shown = hidden if again or hidden != self._hidden else []
        self._hidden = hidden
        return [*shown, *[sheet.headings_line for sheet in sheets]]
