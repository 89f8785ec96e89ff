"""Bound how many types are read to decode the records of one object.

An object is small and can have thousands of maps that share large types.
"""

from typing import Final

from beepy.errors import BtfError

MEMBER: Final = 8
"""The cost of reading a member; an enumerator costs 1."""

_MAX_MEMBERS: Final = 1 << 15


class Budget:
    """What may still be read to decode the records of one object."""

    def __init__(self) -> None:
        self.left = _MAX_MEMBERS * MEMBER

    def spend(self, cost: int) -> None:
        """Subtract the cost of a type. Raises BtfError if the budget is exceeded."""
        self.left -= cost
        if self.left < 0:
            raise BtfError(
                f"the records of all maps have more than {_MAX_MEMBERS} members together"
            )
