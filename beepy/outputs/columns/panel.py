"""A part of the screen beside rows: counts, histograms, a table (``panels`` makes them)."""

from collections.abc import Callable
from typing import NamedTuple

from beepy.events.batch import Batch


class Panel(NamedTuple):
    """``add`` adds a batch and returns whether the panel changed.

    ``lines(width, height)`` returns what it shows now: lines of at most that width, and at most
    that many, unless None.
    """

    add: Callable[[Batch], bool]
    lines: Callable[[int | None, int | None], list[str]]
