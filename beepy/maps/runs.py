"""Find the length of a run of equal items without comparing each of them in Python."""

from collections.abc import Callable
from typing import Final

_GROWTH: Final = 16  # the next comparison covers this many times the length known so far


def run_length(most: int, equal: Callable[[int, int], bool]) -> int:
    """Return how many of the first ``most`` items are equal to the first one.

    ``equal(low, high)`` returns whether each of low..high-1 equals the item before it. For strided
    views of memory, this is one comparison in C: of a column with itself, shifted by one.
    """
    known = 1
    while known < most:
        low, high = known, min(known * _GROWTH, most)
        if equal(low, high):
            known = high
            continue
        # the run ends between low and high: bisect
        while high - low > 1:
            middle = (low + high) // 2
            if equal(low, middle):
                low = middle
            else:
                high = middle
        return low
    return known
