"""The line on top: what runs, how much comes, what was lost, what it costs."""

import math
import time
from collections import deque
from collections.abc import Iterable
from typing import Final

from rich.segment import Segment

from beepy.events.batch import Schema
from beepy.events.stats import RunStats
from beepy.tui import styles
from beepy.tui.about import About
from beepy.tui.line import Segments, width_of
from beepy.width import truncate

_SPARKS: Final = " ▁▂▃▄▅▆▇█"
_HISTORY: Final = 60  # seconds
_NARROW: Final = 8  # columns of the sparkline where there is little room
_WIDE: Final = 30
_PERIOD: Final = 1.0


class Rates:
    """The number of rows a second, for the last minute, and the CPU time of this process."""

    def __init__(self) -> None:
        self.rates: deque[float] = deque(maxlen=_HISTORY)
        self.own_share: float | None = None
        self._at = time.monotonic()
        self._rows = 0
        self._cpu = time.process_time()

    def tick(self, rows: int) -> bool:
        """Take a look at the counts, once a second; return whether something changed."""
        now = time.monotonic()
        passed = now - self._at
        if passed < _PERIOD:
            return False
        cpu = time.process_time()
        self.rates.append((rows - self._rows) / passed)
        self.own_share = (cpu - self._cpu) / passed
        self._at, self._rows, self._cpu = now, rows, cpu
        return True


class Header:
    """Makes the segments of the line from the counts of a run.

    The rate is not shown if all maps are tables, whose rows come when beepy reads them.
    """

    def __init__(
        self, about: About, stats: RunStats, rates: Rates, schemas: Iterable[Schema]
    ) -> None:
        self._about = about
        self._stats = stats
        self._rates = rates
        self._has_events = any(schema.is_stream for schema in schemas)
        self.recording = ""  # the file that rows are recorded to now
        self.ended = False

    def segments(self, columns: int) -> Segments:
        """Return the line: counts at the right, what runs at the left, in the room that is left."""
        right = self._counts(_WIDE if columns > 110 else _NARROW)
        left_room = columns - width_of(right) - 1
        left = self._what(left_room)
        gap = " " * max(columns - width_of(left) - width_of(right), 1)
        return [*left, Segment(gap), *right]

    def _what(self, room: int) -> Segments:
        images = self._about.images
        names = ", ".join([image.name for image in images]) or self._about.recording
        name = truncate(names, room)
        rest = self._programs()
        shown = truncate(f"  {rest}", room - len(name)) if rest else ""
        return [Segment(name, styles.TITLE), Segment(shown, styles.DIM)]

    def _programs(self) -> str:
        if self._about.recording:
            return "replay"
        count = sum([image.programs for image in self._about.images])
        targets = [target for image in self._about.images for target in image.targets]
        noun = "program" if count == 1 else "programs"
        return f"{count} {noun}: {', '.join(dict.fromkeys(targets))}" if targets else ""

    def _counts(self, spark: int) -> Segments:
        stats = self._stats
        parts: list[Segments] = []
        if self.recording:
            parts.append([Segment("● REC", styles.ALARM)])
        rates = self._rates.rates
        if self._about.recording:
            parts += [] if self.ended else [[Segment("reading", styles.NOTE)]]
        elif self.ended:
            parts.append([Segment("ended", styles.NOTE)])
        elif self._has_events:
            rate = f"{_number(rates[-1])}/s " if rates else ""
            parts.append([Segment(rate, styles.BOLD), Segment(sparkline(rates, spark), styles.BAR)])
        parts.append(_lost(stats))
        if stats.filtered:
            parts.append([Segment(f"filtered {_number(stats.filtered)}")])
        cost = stats.cost.share if stats.cost else None
        if cost is not None:
            parts.append([Segment(f"bpf {_percent(cost)}")])
        if self._rates.own_share is not None:
            parts.append([Segment(f"beepy {_percent(self._rates.own_share)}")])
        segments: Segments = []
        for number, part in enumerate(parts):
            segments += [Segment("  ")] if number else []
            segments += part
        return segments


def _lost(stats: RunStats) -> Segments:
    known = sum([count for count in (*stats.lost.values(), *stats.lost_at.values()) if count])
    if known:
        return [Segment(f"lost {_number(known)}", styles.ALARM)]
    return [Segment("lost 0" if stats.total_lost == 0 else "lost ?")]


def sparkline(rates: "deque[float]", columns: int) -> str:
    """Return the last rates as bars, one a column, the highest full."""
    shown = list(rates)[-columns:]
    highest, steps = max(shown, default=0), len(_SPARKS) - 1
    bars = [_SPARKS[math.ceil(rate / highest * steps) if highest else 0] for rate in shown]
    return "".join(bars).rjust(columns)


def _number(count: float) -> str:
    """Return a number in at most five columns or so: 9,999, then 10.0k, 1.2M."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if count >= 10 * size:
            return (
                f"{count / size:.0f}{unit}" if count >= 100 * size else f"{count / size:.1f}{unit}"
            )
    return f"{count:,.0f}"


def _percent(share: float) -> str:
    percent = share * 100
    return f"{percent:.1f}%" if percent < 9.95 else f"{percent:.0f}%"
