"""Bound the number of a metric's series, and the bytes of their labels on the page."""

from collections.abc import Iterator
from typing import Final

from beepy.log import Log

_log = Log(__name__)

_MAX_TEXT: Final = 16 << 20  # bytes of the labels of a metric's series, on all lines of the page


class SeriesLimit:
    """Bounds the number of a metric's series; the rest share one series with the labels ``other``.

    The page repeats labels, which may be long, on each of the ``lines`` of a series: their total
    length is bounded too. ``overflowed``: there were more series since the run began.
    """

    def __init__(self, name: str, other: str, max_series: int, lines: int = 1) -> None:
        self.name = name
        self._overflow_key = other
        self._max_series = max_series
        self._max_text = _MAX_TEXT // lines
        self.overflowed = False
        self.clear()

    def clear(self) -> None:
        """Forget all series: ``series_left`` is how many more are admitted."""
        self.series_left = self._max_series
        self._text_left = self._max_text
        self._admitted: set[str] = set()

    def admit(self, labels: str) -> bool:
        """Return whether these labels have a series, or get one now."""
        if labels in self._admitted:
            return True
        if not self.series_left or len(labels) > self._text_left:
            return False
        self.series_left -= 1
        self._text_left -= len(labels)
        self._admitted.add(labels)
        return True

    def keys(self, labels: list[str]) -> Iterator[str]:
        """Yield the key of the series of each of ``labels``."""
        for text in labels:
            yield text if self.admit(text) else self.overflow_key()

    def overflow_key(self) -> str:
        """Return the key of the series that the rest share; warn the first time."""
        if not self.overflowed:
            self.overflowed = True
            bounds = (
                f"more than {self._max_series} series, "
                f"or than {_MAX_TEXT >> 20} MiB of labels on all its lines"
            )
            _log.warning("metric %s: %s: what exceeds them counts as 'other'", self.name, bounds)
        return self._overflow_key
