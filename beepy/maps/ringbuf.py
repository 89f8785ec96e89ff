"""Read a ring buffer: whole runs of records at a time, straight from the pages that the kernel writes.

::

    page 0    consumer position (ours to write)
    page 1    producer position
    page 2..  data, then the same data once more, so that a run never wraps

    record    | u32 length, BUSY bit 31, DISCARD bit 30 | u32 page offset | bytes, padded to a multiple of 8 |

kernel/bpf/ringbuf.c is the source. Positions only grow; a record is at its position modulo the size.
"""

import math
import mmap
import time
from collections.abc import Iterator
from typing import Final

from beepy.errors import KernelError
from beepy.events.batch import Batch, Part, Schema
from beepy.kernel.map import Map
from beepy.maps.barrier import Barrier
from beepy.maps.claim import Claim
from beepy.maps.runs import run_length
from beepy.text import safe
from beepy.uapi import RINGBUF_BUSY_BIT, RINGBUF_DISCARD_BIT, RINGBUF_HDR_SZ

_CHUNK: Final = 256 << 10  # bytes of a batch at most (but for a record that is longer): fits the second-level cache

# Seconds that records may wait: the longest, and for each byte of a ring what fills half of it at 200 MB/s, which are
# 3,000,000 small records. The shortest is what a program that holds an unfinished record costs us: the ring is readable
# then, yet nothing can be read.
_COALESCE: Final = 5e-3
_COALESCE_BYTE: Final = 2.5e-9
_COALESCE_LEAST: Final = 50e-6


class RingReader:
    """Reads ``map_``, which stays its collection's; a ring has one reader at a time.

    Raises KernelError when the pages cannot be mapped, or somebody else reads the map.
    """

    def __init__(self, map_: Map, schema: Schema) -> None:
        self.schema = schema
        self.poll_period_s = math.inf
        self.size = map_.max_entries
        self.coalesce_s = max(_COALESCE_LEAST, min(_COALESCE, self.size * _COALESCE_BYTE))
        self._name = safe(map_.name)
        self._claim = Claim(map_)
        page = mmap.PAGESIZE
        try:
            self._own = mmap.mmap(map_.fd.fileno(), page)
            self._pages = mmap.mmap(map_.fd.fileno(), page + 2 * self.size, prot=mmap.PROT_READ, offset=page)
        except OSError as error:
            self._claim.close()
            raise KernelError.of(f"map '{self._name}': mmap", error) from None
        self._fd = map_.fd
        self._consumer = memoryview(self._own).cast("Q")
        self._producer = memoryview(self._pages)[:page].cast("Q")
        self._words = memoryview(self._pages)[page:].cast("I")
        self._barrier = Barrier()

    def fileno(self) -> int:
        """Return the map's fd: readable while there is an unread record, even a busy one."""
        return self._fd.fileno()

    def read(self) -> Iterator[Batch]:
        """Yield the records from the consumer's to the producer's position, a batch for each run of one length.

        Reading ends at a record that a program is still writing (BUSY). Discarded records are skipped.
        """
        head, tail = self._consumer[0], self._producer[0]
        self._barrier.fence()  # the producer's position before the headers that it covers
        if not 0 <= tail - head <= self.size:
            raise KernelError(f"map '{self._name}': ring buffer: consumer at {head}, but producer at {tail}")
        while head < tail:
            at = head & (self.size - 1)
            word = self._words[at >> 2]
            if word & RINGBUF_BUSY_BIT:
                return
            length = word & ~RINGBUF_DISCARD_BIT
            stride = (length + RINGBUF_HDR_SZ + 7) & ~7
            most = min(tail - head, max(_CHUNK, stride)) // stride
            if not most:
                raise KernelError(
                    f"map '{self._name}': ring buffer: record at {head}: "
                    f"expected {stride} bytes with its header, got {tail - head}"
                )
            count = self._run(at >> 2, stride >> 2, most)
            raw = b""
            if not word & RINGBUF_DISCARD_BIT:
                self._barrier.fence()  # the headers, which are not busy, before the data
                start = mmap.PAGESIZE + at
                raw = self._pages[start : start + count * stride]  # one copy, headers and padding included
                self._barrier.fence()  # the data before our position, which lets the kernel write over it
            head += count * stride
            self._consumer[0] = head  # at once, so that a slow consumer of the batch holds no room in the ring
            if raw:
                yield Batch(self.schema, (Part(raw, stride, RINGBUF_HDR_SZ),), count, length, time.time_ns())

    def end(self) -> Iterator[Batch]:
        """Return nothing: the kernel does not count what a ring buffer loses."""
        return iter(())

    def close(self) -> None:
        """Unmap the pages, and let another reader have the map."""
        for view in (self._consumer, self._producer, self._words):
            view.release()
        self._own.close()
        self._pages.close()
        self._claim.close()

    def _run(self, first: int, step: int, most: int) -> int:
        """Return how many headers in a row (``most`` at most) are equal to the first one; in 32-bit words.

        Records of one length stand ``step`` words apart, and only headers stand there. So the column of every
        ``step``-th word, compared with itself one record later, is one comparison in C for a whole run.
        """
        words = self._words
        if most == 1 or words[first + step] != words[first]:
            return 1

        def equal(low: int, high: int) -> bool:
            start, end = first + low * step, first + high * step
            return words[start:end:step] == words[start - step : end - step : step]

        return run_length(most, equal)
