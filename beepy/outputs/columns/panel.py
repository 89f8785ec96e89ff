"""What stands beside rows: counts, histograms, and tables as they are now (``panels`` makes them)."""

from collections.abc import Callable
from typing import NamedTuple

from beepy.events.batch import Batch


class Panel(NamedTuple):
    """``add`` takes a batch and says whether there is something new to show.

    ``lines(width, height)`` returns what is shown now: at most so wide, and so many of them, unless None.
    """

    add: Callable[[Batch], bool]
    lines: Callable[[int | None, int | None], list[str]]
