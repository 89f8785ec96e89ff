"""The last rows of one map, in bounded memory."""

from collections import deque
from typing import Final

from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.tui.rows import Rows

MAX_BYTES: Final = 64 << 20  # of the rows of a map, whatever their number


class KeptRows:
    """The last ``most`` rows of a stream: whole batches, so that nothing is copied."""

    def __init__(self, decoder: Decoder, most: int, max_bytes: int = MAX_BYTES) -> None:
        self._decoder = decoder
        self._most = most
        self._max_bytes = max_bytes
        self._batches: deque[Batch] = deque()
        self._records = 0
        self._bytes = 0

    def add(self, batch: Batch) -> None:
        """Keep a batch, and drop those that are too old."""
        if not batch.records:
            return
        self._batches.append(batch)
        self._records += batch.records
        self._bytes += _size(batch)
        while len(self._batches) > 1 and (
            self._records - self._batches[0].records >= self._most or self._bytes > self._max_bytes
        ):
            oldest = self._batches.popleft()
            self._records -= oldest.records
            self._bytes -= _size(oldest)

    def rows(self) -> Rows:
        """Return the rows as they are now."""
        return Rows(self._decoder, tuple(self._batches), max(self._records - self._most, 0))


def _size(batch: Batch) -> int:
    return sum([len(part.raw) for part in batch.parts])
