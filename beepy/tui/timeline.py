"""When the rows of a recording came: a line of bars, and where the row is that is looked at."""

import threading
import time
from collections import Counter
from typing import Final

from rich.segment import Segment

from beepy.events.batch import Batch
from beepy.tui import styles
from beepy.tui.line import Segments

_SECOND: Final = 1_000_000_000
_MAX_BUCKETS: Final = 4096
_BARS: Final = "▁▂▃▄▅▆▇█"


class Timeline:
    """Counts rows by time, in buckets that grow with the recording."""

    def __init__(self) -> None:
        self._step = _SECOND // 64  # ns of a bucket
        self._counts: Counter[int] = Counter()
        self._lock = threading.Lock()

    def add(self, batch: Batch) -> None:
        """Count the rows of a batch, in the run's thread."""
        with self._lock:
            self._counts[batch.time_ns // self._step] += batch.records
            while len(self._counts) > _MAX_BUCKETS:
                self._step *= 2
                halved: Counter[int] = Counter()
                for bucket, count in self._counts.items():
                    halved[bucket // 2] += count
                self._counts = halved

    @property
    def span(self) -> tuple[int, int]:
        """The times (ns) of the first and the last rows; equal ones if there are none."""
        with self._lock:
            if not self._counts:
                return 0, 0
            return min(self._counts) * self._step, (max(self._counts) + 1) * self._step

    def segments(self, columns: int, at_ns: int | None) -> Segments:
        """Return the line: begin, bars, end; the bar at ``at_ns`` is marked."""
        begin, end = self.span
        if begin == end:
            return []
        ends = f"{_clock(begin)} ", f" {_clock(end)}"
        room = max(columns - len(ends[0]) - len(ends[1]), 1)
        bars = [0] * room
        with self._lock:
            for bucket, count in self._counts.items():
                bars[min((bucket * self._step - begin) * room // (end - begin), room - 1)] += count
        most = max(bars) or 1
        texts = [_BARS[-(-count * len(_BARS) // most) - 1] if count else " " for count in bars]
        line = "".join(texts)
        place = -1
        if at_ns is not None:
            place = max(min((at_ns - begin) * room // (end - begin), room - 1), 0)
        return [
            Segment(ends[0], styles.DIM),
            Segment(line[: max(place, 0)], styles.BAR),
            Segment(line[place] if place >= 0 else "", styles.CURSOR),
            Segment(line[place + 1 :], styles.BAR),
            Segment(ends[1], styles.DIM),
        ]


def _clock(time_ns: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(time_ns // _SECOND))
