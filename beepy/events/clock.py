"""The kernel's clocks beside the wall clock: when a timestamp of this boot was taken."""

import time
from collections.abc import Callable, Iterable
from typing import Final

SECOND: Final = 1_000_000_000
_AHEAD: Final = SECOND // 100  # the clock that programs read may be ahead of ours for a moment


class Clock:
    """Converts timestamps of CLOCK_MONOTONIC and CLOCK_BOOTTIME.

    They differ by the time that the machine was suspended. ``read`` returns the time (ns) of a
    clock. How far the clocks are apart is asked once a second at most.
    """

    def __init__(self, read: Callable[[int], int] = time.clock_gettime_ns) -> None:
        self._read = read
        self._asked = -SECOND
        self._boot = 0  # the wall clock when the monotonic clock was 0
        self._suspended = 0

    def now(self) -> int:
        """Return the wall clock (ns since the epoch)."""
        return self._monotonic() + self._boot

    def wall(self, timestamp: int) -> int | None:
        """Return the wall clock (ns since the epoch) of a timestamp (ns), None if not of this boot.

        The monotonic clock (bpf_ktime_get_ns) is assumed, and the other one (bpf_ktime_get_boot_ns)
        where that would be in the future.
        """
        return self.walls((timestamp,))[0]

    def walls(self, timestamps: Iterable[int]) -> list[int | None]:
        """Return the same of many timestamps; the clocks are asked once."""
        latest = self._monotonic() + _AHEAD
        boot, suspended = self._boot, self._suspended
        return [
            None
            if timestamp <= 0 or timestamp > latest + suspended
            else timestamp + boot
            if timestamp <= latest
            else timestamp + boot - suspended
            for timestamp in timestamps
        ]

    def offset(self, first: int, last: int) -> int | None:
        """Return what the wall clock is ahead of all timestamps from ``first`` to ``last``, None if it differs."""
        now = self._monotonic()
        return self._boot if first > 0 and last <= now + _AHEAD else None

    def _monotonic(self) -> int:
        now = self._read(time.CLOCK_MONOTONIC)
        if now - self._asked >= SECOND:
            self._boot = self._read(time.CLOCK_REALTIME) - now
            self._suspended = max(self._read(time.CLOCK_BOOTTIME) - now, 0)
            self._asked = now  # last: another thread that finds it set has the others
        return now
