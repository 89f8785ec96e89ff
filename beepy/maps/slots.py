"""Read counters of programs: an array of one value, mapped where the kernel can do that."""

import mmap
from collections.abc import Iterable
from contextlib import suppress

from beepy.kernel.map import Map


class Slots:
    """Reads ``map_``, which its collection owns: its value is u64 counters, one after another."""

    def __init__(self, map_: Map) -> None:
        self._map = map_
        self._pages: mmap.mmap | None = None
        self._counters = memoryview(b"").cast("Q")
        with suppress(OSError):  # before v5.5
            self._pages = mmap.mmap(map_.fd.fileno(), map_.value_size, prot=mmap.PROT_READ)
            self._counters = memoryview(self._pages).cast("Q")

    def total(self, slots: Iterable[int]) -> int:
        """Return the sum of these counters, as they are now."""
        counters = self._counters if self._pages else self._looked_up()
        return sum([counters[slot] for slot in slots])

    def close(self) -> None:
        """Unmap the counters."""
        self._counters.release()
        if self._pages:
            self._pages.close()

    def _looked_up(self) -> memoryview:
        return memoryview(self._map.lookup(bytes(4)) or bytes(self._map.value_size)).cast("Q")
