"""Rows that fit a width, under heads that come again each screenful."""

import math
from collections.abc import Mapping

from beepy.events.batch import Batch, Schema
from beepy.outputs.columns.grid import hidden_line
from beepy.outputs.columns.sheet import Sheet
from beepy.outputs.columns.terminal import Size
from beepy.width import width


class Pages:
    """All maps' rows on one screen; the heads of all of them come together."""

    def __init__(self, sheets: Mapping[Schema, Sheet]) -> None:
        self._sheets = sheets
        self._size: Size | None = None
        self._left = 0.0  # lines until the heads come again
        self._hidden: list[str] = []  # the line that says what is hidden, as it was last shown

    @property
    def begun(self) -> bool:
        """Whether there are rows."""
        return self._size is not None

    def lines(self, batch: Batch, size: Size, taken: int) -> list[str]:
        """Return the lines for a batch, heads among them; ``taken`` lines of the screen are something else's."""
        sheet = self._sheets[batch.schema]
        strips = sheet.read(batch, size.width)
        resized, self._size = size != self._size, size
        changed = [one.fit(size.width) for one in self._sheets.values() if resized or one is sheet]
        if resized or any(changed):
            self._left = 0
        rows = sheet.lines(strips, batch.records, size.width)
        lines: list[str] = []
        at = 0
        while at < len(rows):
            if self._left <= 0:
                heads = self._heads(size.width, again=resized)
                lines += heads
                self._left = size.height - len(heads) - taken - 1 if size.height else math.inf
                resized = False
            count = int(min(max(self._left, 1), len(rows) - at)) if size.width else 1
            lines += rows[at : at + count]
            at += count
            self._left -= count if size.width else -(-width(lines[-1]) // size.wraps)
        return lines

    def _heads(self, most: int | None, *, again: bool) -> list[str]:
        sheets = self._sheets.values()
        hidden = hidden_line([(sheet.name, sheet.layout.hidden) for sheet in sheets], most)
        news = hidden if again or hidden != self._hidden else []
        self._hidden = hidden
        return [*news, *[sheet.head for sheet in sheets]]
