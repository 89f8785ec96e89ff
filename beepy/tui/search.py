"""``/``: find a text in rows, and mark it where it is shown."""

from collections.abc import Iterable

from rich.segment import Segment
from rich.style import Style

from beepy.tui import styles
from beepy.tui.grid import Grid
from beepy.tui.rows import Rows

_CHUNK = 500  # rows that are decoded at once


class Search:
    """A text that is searched for; upper and lower case differ only if it has an upper one."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self._exact = text != text.lower()

    def next(self, rows: Rows, grid: Grid, start: int, step: int) -> int | None:
        """Return the next row with the text after ``start``, from there around; None: no row.

        ``step`` is 1 for down, -1 for up, and 0 for up with the row at ``start`` itself.
        """
        if not self.text or not len(rows):
            return None
        count = len(rows)
        if step > 0:
            spans = [range(start + 1, count), range(min(start + 1, count))]
        else:
            first = start if step else start + 1
            spans = [range(first), range(first, count)]
        for span in spans:
            found = self._in(rows, grid, span, last=step <= 0)
            if found is not None:
                return found
        return None

    def _in(self, rows: Rows, grid: Grid, span: range, *, last: bool) -> int | None:
        """Return the first row with the text, or the last one."""
        starts: Iterable[int] = range(span.start, span.stop, _CHUNK)
        if last:
            starts = reversed(list(starts))
        for begin in starts:
            count = min(_CHUNK, span.stop - begin)
            texts = [text for batch in rows.window(begin, count) for text in grid.searched(batch)]
            hits = [at for at, text in enumerate(texts) if self._is_in(text)]
            if hits:
                return begin + hits[-1 if last else 0]
        return None

    def _is_in(self, text: str) -> bool:
        return self.text in (text if self._exact else text.lower())

    def segments(self, cell: str, style: Style) -> list[Segment]:
        """Return a cell with the text marked."""
        if not self.text or not self._is_in(cell):
            return [Segment(cell, style)]
        folded = cell if self._exact else cell.lower()
        if len(folded) != len(cell):  # a few characters of other scripts
            return [Segment(cell, style + styles.FOUND)]
        segments, at = [], 0
        while (found := folded.find(self.text, at)) >= 0:
            end = found + len(self.text)
            segments.append(Segment(cell[at:found], style))
            segments.append(Segment(cell[found:end], style + styles.FOUND))
            at = end
        return [*segments, Segment(cell[at:], style)]
