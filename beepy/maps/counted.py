"""Read a ring or perf buffer whose programs count the records that they could not send."""

import struct
import time
from collections.abc import Callable, Iterator
from typing import Final

from beepy.events.batch import Batch, Part, Reader
from beepy.kernel.map import Map
from beepy.log import Log
from beepy.maps.ringbuf import RingReader
from beepy.text import safe

_log = Log(__name__)

_KEY: Final = bytes(4)
_NUMBER: Final = 8  # bytes of a CPU's count
_MAX_RING: Final = 1 << 30  # bytes; nobody is told to try more
_HEADER: Final = 8  # bytes before a record; an empty batch has none


def count_in(counter: Map) -> Callable[[], int]:
    """Return a function that returns what programs have counted in an array of one u64 a CPU.

    It counts from now on: another run has used the map if it is pinned.
    """
    before = _sum(counter)
    return lambda: _sum(counter) - before


def _sum(counter: Map) -> int:
    value = counter.lookup(_KEY) or b""
    return sum(struct.unpack(f"<{len(value) // _NUMBER}Q", value))


class CountedReader:
    """Reads by ``reader``, which it owns; losses are those that ``total`` returns.

    ``total`` is the number of records that programs could not send so far. What the kernel counts
    itself, in perf buffers, is the same and is not added.
    """

    def __init__(self, reader: Reader, total: Callable[[], int]) -> None:
        self.schema = reader.schema
        self.coalesce_s = reader.coalesce_s
        self.poll_period_s = reader.poll_period_s
        self._reader = reader
        self._total = total
        self._reported = 0
        self._ring = reader if isinstance(reader, RingReader) else None
        self._peak = 0  # bytes in use of the ring, at most
        self._wanted = 0  # bytes that would have held what was lost, too
        self._of_kernel = 0

    def fileno(self) -> int:
        """Return the fd to poll, which the reader owns."""
        return self._reader.fileno()

    def read(self) -> Iterator[Batch]:
        """Yield the records, with the losses until then."""
        yield from self._counted(self._reader.read())

    def end(self) -> Iterator[Batch]:
        """Yield the last losses; warn if the kernel has counted more."""
        yield from self._counted(self._reader.end())
        if self._of_kernel > self._reported:
            _log.warning(
                "map '%s': the kernel reports %d lost records, the programs %d",
                safe(self.schema.map),
                self._of_kernel,
                self._reported,
            )

    def use(self) -> tuple[int, int, int] | None:
        """Return size and peak occupancy of a ring, and the size to try after losses (0: none).

        That is an estimate: the occupancy, and what was lost until the same reading, in records as
        long as the last one.
        """
        return (self._ring.size, self._peak, self._wanted) if self._ring else None

    def close(self) -> None:
        """Close the reader."""
        self._reader.close()

    def _counted(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        for batch in batches:
            self._of_kernel += batch.lost or 0
            lost = self._new_losses()
            if batch.records or lost:
                yield batch._replace(lost=lost)
        if lost := self._new_losses():
            yield Batch(
                self.schema, (Part(b"", _HEADER, _HEADER),), records=0, length=0, lost=lost,
                time_ns=time.time_ns(),
            )  # fmt: skip

    def _new_losses(self) -> int:
        """Return the losses that no batch has reported."""
        total = self._total()
        new = total - self._reported
        self._reported = total
        if ring := self._ring:
            self._peak = max(self._peak, ring.used)
            if new:
                needed = ring.used + new * ring.record_size
                fitting = max(1 << (needed - 1).bit_length(), 2 * ring.size)
                self._wanted = max(self._wanted, min(fitting, _MAX_RING))
        return new
