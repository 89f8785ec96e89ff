"""When to count what programs run: always at first, then in windows, with pauses between them.

::

    without a bound   |----- 10 s -----|     9 s     |1 s|     9 s     |1 s| ...
    with a bound      |----- 10 s -----| 1 s |.5|  1 s |.5| over |.5|.5| exceeded

Counting slows every BPF program of the machine a little. With a bound it is done in one second of
three. Once programs are over the bound there is no pause, until they are below it again or were
over it for ``SUSTAINED_S``: whenever that begins, it is noticed within three seconds.
"""

from typing import Final, NamedTuple

FIRST_S: Final = 10.0
"""How long runs are counted without a pause at first: short runs are measured as a whole."""

SUSTAINED_S: Final = 1.5
"""How long programs may be over the bound: in so many windows without one below it between."""


class Sampling(NamedTuple):
    """The lengths of a window and of the pause after it, in seconds."""

    window_s: float
    pause_s: float


_COST: Final = Sampling(window_s=1.0, pause_s=9.0)
_BOUND: Final = Sampling(window_s=0.5, pause_s=1.0)


class Schedule:
    """Decides after each window what comes next; ``bound`` is a share of one CPU, or None."""

    def __init__(self, bound: float | None) -> None:
        self._bound = bound
        self._sampling = _COST if bound is None else _BOUND
        self._counted_s = 0.0
        self._over_s = 0.0

    @property
    def window_s(self) -> float:
        """How long the next window is."""
        return self._sampling.window_s

    def after(self, seconds: float, share: float) -> float | None:
        """Return the pause after a window of that length; None if the bound is exceeded.

        ``share`` is what programs took of a CPU in the window.
        """
        self._counted_s += seconds
        if self._bound is not None and share > self._bound:
            self._over_s += seconds
            return None if self._over_s >= SUSTAINED_S else 0.0
        self._over_s = 0.0
        return self._sampling.pause_s if self._counted_s >= FIRST_S else 0.0
