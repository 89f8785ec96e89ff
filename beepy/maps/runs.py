"""Find the length of a run of equal things without comparing each of them in Python."""

from collections.abc import Callable
from typing import Final

_GROWTH: Final = 16  # the next part to compare is this many times as long as the run known so far


def run_length(most: int, equal: Callable[[int, int], bool]) -> int:
    """Return how many of ``most`` things in a row are equal to the first one.

    ``equal(low, high)`` tells whether each of low..high-1 equals the one before it. Of strided views of memory that is
    one comparison: a column with itself, shifted by one.
    """
    known = 1
    while known < most:
        low, high = known, min(known * _GROWTH, most)
        if equal(low, high):
            known = high
            continue
        # the run ends in this part: bisect
        while high - low > 1:
            middle = (low + high) // 2
            if equal(low, middle):
                low = middle
            else:
                high = middle
        return low
    return known
