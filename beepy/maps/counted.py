"""Count what a ring buffer has lost: programs do so themselves, in a per-CPU array beside it."""

import math
import struct
import time
from collections.abc import Iterator
from typing import Final

from beepy.events.batch import Batch, Part, Reader, Schema
from beepy.kernel.map import Map

_PERIOD: Final = 1.0  # seconds between two readings of the counter
_KEY: Final = bytes(4)
_NUMBER: Final = 8  # bytes of a CPU's count


class CountedReader:
    """Adds the losses to the batches of ``reader``, which it owns.

    ``counter`` is an array of one u64 for each CPU, which its collection owns.
    """

    def __init__(self, reader: Reader, counter: Map) -> None:
        self.schema: Schema = reader.schema
        self.coalesce_s = reader.coalesce_s
        self.poll_period_s = reader.poll_period_s
        self._reader = reader
        self._counter = counter
        self._lost = self._count()  # another run's, if the map is pinned
        self._read_at = -math.inf

    def fileno(self) -> int:
        """Return the fd to poll."""
        return self._reader.fileno()

    def read(self) -> Iterator[Batch]:
        """Yield the records, and once a second what was lost since the last time."""
        for batch in self._reader.read():
            yield batch._replace(lost=0)
        now = time.monotonic()
        if now - self._read_at >= _PERIOD:
            self._read_at = now
            yield from self._losses()

    def end(self) -> Iterator[Batch]:
        """Yield the losses since the last reading."""
        yield from self._reader.end()
        yield from self._losses()

    def close(self) -> None:
        """Release what the reader holds."""
        self._reader.close()

    def _losses(self) -> Iterator[Batch]:
        before, self._lost = self._lost, self._count()
        if self._lost > before:
            yield Batch(
                self.schema,
                (Part(b"", 1, 0),),
                0,
                length=0,
                time_ns=time.time_ns(),
                lost=self._lost - before,
            )

    def _count(self) -> int:
        value = self._counter.lookup(_KEY) or b""
        return sum(struct.unpack(f"<{len(value) // _NUMBER}Q", value))
