"""Repetitions of the tests with random input or kills: ``make soak`` sets BEEPY_SOAK to 50."""

import os
from typing import Final

_FACTOR: Final = int(os.environ.get("BEEPY_SOAK", "1"))


def times(count: int) -> int:
    """Return how many there are to be, where ``make test`` has ``count``."""
    return count * _FACTOR
