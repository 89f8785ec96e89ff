"""Count events by groups in bounded memory: space-saving, with the error of each count.

While all groups fit, counts are exact. When there are too many, the half with the smallest counts
is forgotten; ``floor`` is the most that any of them may have had. A group that comes (again) after
that is counted from there on, and may have had ``floor`` events before::

    events       |<--- missed: at most floor --->|<--- seen --->|      seen <= all <= seen + missed
                 forgotten with others           comes (again)

So a group that is not held has at most ``floor`` events.
"""

from collections.abc import Callable, Hashable, Iterable
from heapq import nlargest
from typing import Final

_MOST: Final = 65_536  # groups that are held
_MOST_BYTES: Final = 64 << 20  # of all of them
_OVERHEAD: Final = 600  # bytes of a group beside its record


class Group:
    """The events of one group: ``record`` is one of them, ``length`` its bytes with zeros.

    ``key`` are the values that they have in common.

    ``seen`` events were counted, and at most ``missed`` were not. ``total`` is the sum of the
    values of ``valued`` of them.
    """

    __slots__ = ("key", "length", "missed", "record", "seen", "total", "valued")

    def __init__(self, key: Hashable, record: bytes, length: int, missed: int) -> None:
        self.key = key
        self.record = record
        self.length = length
        self.missed = missed
        self.seen = 0
        self.total: float = 0
        self.valued = 0


class Groups:
    """The groups of a stream, by key."""

    def __init__(self, most: int = _MOST, most_bytes: int = _MOST_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._groups: dict[Hashable, Group] = {}
        self._bytes = 0
        self.floor = 0
        self.events = 0

    def __len__(self) -> int:
        return len(self._groups)

    def add(
        self, counts: Iterable[tuple[Hashable, int]], make: Callable[[Hashable], tuple[bytes, int]]
    ) -> None:
        """Add events by key; ``make`` gives a record of a new group, and its length."""
        groups = self._groups
        for key, count in counts:
            self.events += count
            (groups.get(key) or self._new(key, *make(key))).seen += count

    def add_values(
        self,
        values: Iterable[tuple[Hashable, float | None]],
        make: Callable[[Hashable], tuple[bytes, int]],
    ) -> None:
        """Add events by key, each with its value, or None if it has none."""
        groups = self._groups
        for key, value in values:
            self.events += 1
            group = groups.get(key) or self._new(key, *make(key))
            group.seen += 1
            if value is not None:
                group.total += value
                group.valued += 1

    def largest(self, count: int, rank: Callable[[Group], float]) -> list[Group]:
        """Return the groups of the highest rank, of equal ones those that came first."""
        return nlargest(count, self._groups.values(), key=rank)

    def most_frequent(self, count: int) -> list[tuple[Hashable, int]]:
        """Return the keys with the most events, and how many were counted of each."""
        ranked = nlargest(count, self._groups.items(), key=lambda item: item[1].seen)
        return [(key, group.seen) for key, group in ranked]

    def _new(self, key: Hashable, record: bytes, length: int) -> Group:
        size = 2 * len(record) + _OVERHEAD  # its key has the same texts
        if len(self._groups) >= self._most or self._bytes + size > self._most_bytes:
            self._forget()
        self._bytes += size
        group = self._groups[key] = Group(key, record, length, self.floor)
        return group

    def _forget(self) -> None:
        """Forget the half with the smallest counts."""
        ranked = sorted(self._groups.items(), key=lambda item: -item[1].seen - item[1].missed)
        half = len(ranked) // 2
        for _, group in ranked[half:]:
            self.floor = max(self.floor, group.seen + group.missed)
        # the same dict: it is iterated over by its name in callers
        self._groups.clear()
        self._groups.update(ranked[:half])
        self._bytes = sum(2 * len(group.record) + _OVERHEAD for _, group in ranked[:half])
