"""The kernel's clocks and the wall clock: convert timestamps of this boot."""

import time
from collections.abc import Callable, Iterable
from typing import Final

SECOND: Final = 1_000_000_000
_AHEAD: Final = SECOND // 100  # a program may have read its clock after we read ours


class Clock:
    """Converts timestamps of CLOCK_MONOTONIC and CLOCK_BOOTTIME.

    They differ by the time that the machine was suspended. ``read`` returns the time (ns) of a
    clock. The offsets between the clocks are read once a second at most.
    """

    def __init__(self, read: Callable[[int], int] = time.clock_gettime_ns) -> None:
        self._read = read
        self._read_at = -SECOND  # the monotonic clock when the offsets were read
        self._boot = 0  # the wall clock when the monotonic clock was 0
        self._suspended = 0

    def now(self) -> int:
        """Return the wall clock (ns since the epoch)."""
        return self._monotonic() + self._boot

    def times(self) -> tuple[int, int, int]:
        """Return the monotonic clock, CLOCK_BOOTTIME and the wall clock (ns), by these offsets."""
        now = self._monotonic()
        return now, now + self._suspended, now + self._boot

    def offsets(self) -> tuple[int, int]:
        """Return what CLOCK_BOOTTIME and the wall clock (ns) are ahead of the monotonic clock."""
        self._monotonic()  # reads the offsets
        return self._suspended, self._boot

    def renew(self) -> None:
        """Have the offsets read at their next use: they have changed."""
        self._read_at = -SECOND

    def wall(self, timestamp: int) -> int | None:
        """Return the wall clock (ns since the epoch) of a timestamp (ns), None if not of this boot.

        It is taken for a time of the monotonic clock (bpf_ktime_get_ns), or of CLOCK_BOOTTIME
        (bpf_ktime_get_boot_ns) if that would be in the future.
        """
        return self.walls((timestamp,))[0]

    def walls(self, timestamps: Iterable[int]) -> list[int | None]:
        """Return the wall clock of many timestamps; the clocks are read once."""
        latest = self._monotonic() + _AHEAD
        boot, suspended = self._boot, self._suspended
        return [  # one expression, without a call: this runs for each row
            None
            if timestamp <= 0 or timestamp > latest + suspended
            else timestamp + boot
            if timestamp <= latest
            else timestamp + boot - suspended
            for timestamp in timestamps
        ]

    def wall_of_boot(self, timestamp: int) -> int:
        """Return the wall clock (ns since the epoch) of a timestamp (ns) of CLOCK_BOOTTIME."""
        self._monotonic()  # reads the offsets
        return timestamp + self._boot - self._suspended

    def monotonic(self, wall: int) -> int:
        """Return the timestamp (ns) of CLOCK_MONOTONIC of a wall clock (ns since the epoch)."""
        self._monotonic()  # reads the offsets
        return wall - self._boot

    def offset(self, first: int, last: int) -> int | None:
        """Return the one offset of all timestamps from ``first`` to ``last`` to the wall clock.

        Return None if it differs between them.
        """
        now = self._monotonic()
        return self._boot if first > 0 and last <= now + _AHEAD else None

    def _monotonic(self) -> int:
        now = self._read(time.CLOCK_MONOTONIC)
        if now - self._read_at >= SECOND:
            self._boot = self._read(time.CLOCK_REALTIME) - now
            self._suspended = max(self._read(time.CLOCK_BOOTTIME) - now, 0)
            self._read_at = now  # last: a thread that sees it set sees the others, too
        return now


LIVE: Final = Clock()
"""The clocks of this machine."""
