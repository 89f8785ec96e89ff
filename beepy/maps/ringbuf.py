"""Read a ring buffer: whole runs of records at a time, from the pages that the kernel writes.

::

    page 0    consumer position (written by us)
    page 1    producer position (written by the kernel)
    page 2..  data, mapped twice in a row, so that no run of records wraps

    record    | u32 length | u32 page offset | bytes, padded to a multiple of 8 |
              bit 31 of length: BUSY, bit 30: DISCARD

The source is kernel/bpf/ringbuf.c. Positions only grow; a record is at its position modulo the
size.
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

# bytes of a batch at most, unless one record is longer: fits into the second-level cache
_CHUNK: Final = 256 << 10

# seconds that records may wait to be read together: at most; per byte of the ring, half of which is
# full after that time at 200 MB/s (3,000,000 small records per second); and at least. While a
# program holds an unfinished record, the ring is readable but nothing can be read: the minimum
# keeps the poll loop from spinning.
_MAX_COALESCE: Final = 5e-3
_COALESCE_PER_BYTE: Final = 2.5e-9
_MIN_COALESCE: Final = 50e-6


class RingReader:
    """Reads ``map_``, which its collection owns; a ring has one reader at a time.

    Raises KernelError if the pages cannot be mapped, or the map already has a reader.
    """

    def __init__(self, map_: Map, schema: Schema) -> None:
        self.schema = schema
        self.poll_period_s = math.inf
        self.size = map_.max_entries
        self.used = 0  # bytes, when it was read last
        self.record_size = 0  # bytes with header and padding, of the last record
        self.coalesce_s = max(_MIN_COALESCE, min(_MAX_COALESCE, self.size * _COALESCE_PER_BYTE))
        self._name = safe(map_.name)
        self._claim = Claim(map_)
        page = mmap.PAGESIZE
        try:
            self._own = mmap.mmap(map_.fd.fileno(), page)
            self._pages = mmap.mmap(
                map_.fd.fileno(), page + 2 * self.size, prot=mmap.PROT_READ, offset=page
            )
        except OSError as error:
            self._claim.close()
            raise KernelError.of(f"map '{self._name}': mmap", error) from None
        self._fd = map_.fd
        self._consumer = memoryview(self._own).cast("Q")
        self._producer = memoryview(self._pages)[:page].cast("Q")
        self._words = memoryview(self._pages)[page:].cast("I")
        self._barrier = Barrier()

    def fileno(self) -> int:
        """Return the map's fd, readable while there is an unread record, even a busy one."""
        return self._fd.fileno()

    def read(self) -> Iterator[Batch]:
        """Yield the records up to the producer position, one batch per run of one length.

        Reading stops at a record that a program is still writing (BUSY). Discarded records are
        skipped.
        """
        head, tail = self._consumer[0], self._producer[0]
        self._barrier.fence()  # load the producer position before the headers
        if not 0 <= tail - head <= self.size:
            raise KernelError(
                f"map '{self._name}': ring buffer: consumer at {head}, but producer at {tail}"
            )
        self.used = tail - head
        while head < tail:
            offset = head & (self.size - 1)
            header = self._words[offset >> 2]
            if header & RINGBUF_BUSY_BIT:
                return
            length = header & ~RINGBUF_DISCARD_BIT
            stride = (length + RINGBUF_HDR_SZ + 7) & ~7
            most = min(tail - head, max(_CHUNK, stride)) // stride
            if not most:
                raise KernelError(
                    f"map '{self._name}': ring buffer: record at {head}: "
                    f"expected {stride} bytes with its header, got {tail - head}"
                )
            self.record_size = stride
            count = self._run(offset >> 2, stride >> 2, most)
            raw = b""
            if not header & RINGBUF_DISCARD_BIT:
                self._barrier.fence()  # load the headers before the data
                start = mmap.PAGESIZE + offset
                # a single copy, with headers and padding
                raw = self._pages[start : start + count * stride]
                self._barrier.fence()  # load the data before the kernel may overwrite it
            head += count * stride
            self._consumer[0] = head  # free the room before the batch is used
            if raw:
                yield Batch(
                    self.schema,
                    (Part(raw, stride, RINGBUF_HDR_SZ),),
                    records=count,
                    length=length,
                    time_ns=time.time_ns(),
                )

    def end(self) -> Iterator[Batch]:
        """Return no batches: the kernel does not count failed ring buffer reservations."""
        return iter(())

    def close(self) -> None:
        """Unmap the pages, and allow another reader of the map."""
        for view in (self._consumer, self._producer, self._words):
            view.release()
        self._own.close()
        self._pages.close()
        self._claim.close()

    def _run(self, first: int, step: int, most: int) -> int:
        """Return how many consecutive headers, at most ``most``, equal the first one.

        ``first`` is the index of a 32-bit word, ``step`` the distance of two headers in words.
        While records have one length, every ``step``-th word is a header. So one comparison in C,
        of that column with itself shifted by one record, covers a whole run.
        """
        words = self._words
        if most == 1 or words[first + step] != words[first]:
            return 1

        def equal(low: int, high: int) -> bool:
            start, end = first + low * step, first + high * step
            return words[start:end:step] == words[start - step : end - step : step]

        return run_length(most, equal)
