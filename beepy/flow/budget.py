"""Bound the work on the code and the types of one object, which nobody has checked before."""

from typing import Final

MAX_WORK: Final = 150_000
"""Instructions walked, places joined, and members looked at: four times what real objects need.

A unit takes about a microsecond.
"""


class Budget:
    """How much work is left."""

    def __init__(self, work: int = MAX_WORK) -> None:
        self.left = work

    def spend(self, work: int) -> bool:
        """Subtract some work; return False if it was more than there was."""
        self.left -= work
        return self.left >= 0
