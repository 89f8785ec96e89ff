"""A flight recorder: the newest records are in memory, and in a file when somebody asks."""

import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import Final, NamedTuple

from beepy import new_file
from beepy.errors import OutputError
from beepy.events.batch import Batch, Schema
from beepy.events.batch_ops import slices
from beepy.events.clock import LIVE
from beepy.events.decoder import Decoder
from beepy.events.stats import RunStats
from beepy.log import Log
from beepy.recording import counts, items
from beepy.recording.blocks import BlockWriter
from beepy.recording.items import Kind
from beepy.recording.names import NamesWriter
from beepy.recording.recorder import opening_items

_log = Log(__name__)

_OVERHEAD: Final = 160  # bytes that Python needs for an item
_PIECES: Final = 32  # the memory is forgotten in so many pieces, at least
_BLOCK: Final = 4 << 20  # bytes of a block, not compressed


class _Kept(NamedTuple):
    """An item in memory; ``records`` are how many rows it has, 0 of clocks."""

    item: bytes
    records: int


class FlightRecorder:
    """Keeps the newest records, at most ``limit`` bytes of them, and writes them to files.

    They are written at the end, to ``path``, and after ``request`` to the next of its series.
    ``written`` is called with the name of such a file and the number of its records. ``stats`` get
    the number of the records that no file has.
    """

    def __init__(
        self,
        path: str,
        about: Mapping[str, object],
        limit: int,
        stats: RunStats,
        written: Callable[[str, int], None],
    ) -> None:
        self._path = path
        self._about = about
        self._limit = limit
        self._stats = stats
        self._written = written
        self._series: new_file.Series | None = None
        self._fd = -1
        self._opening: list[bytes] = []
        self._numbers: dict[Schema, int] = {}
        self._names = NamesWriter(())
        self._kept: deque[_Kept] = deque()
        self._size = 0
        self._saved = 0  # how many of the oldest items a file has already
        self._clock = b""  # of the time before the oldest record
        self._offsets = (0, 0)  # of the last clocks
        self._requested = False
        self._unread: set[Schema] | None = None  # tables that a request waits for

    def request(self) -> None:
        """Have the records written when each table has been read; a signal handler may call it."""
        self._requested = True

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Create the file of the end, which is empty until then. Raises OutputError."""
        self._fd = new_file.create(self._path)
        self._series = new_file.Series(*os.path.splitext(self._path))  # noqa: PTH122 - as typed
        self._names = NamesWriter(decoders)
        self._opening, self._numbers = opening_items(self._about, decoders)
        self._clock = items.clock_item()

    def write(self, batch: Batch) -> None:
        """Keep a batch, forget the oldest records, and write all if that was requested."""
        if (offsets := LIVE.offsets()) != self._offsets:
            self._offsets = offsets
            self._keep(_Kept(items.clock_item(), 0))
        self._names.items(batch)  # they are written with the records, as they are then
        if batch.records or batch.lost or batch.final:
            row = max(sum([part.stride for part in batch.parts]), 1)
            for part in slices(batch, max(self._limit // _PIECES // row, 1)):
                number = self._numbers[batch.schema]
                self._keep(_Kept(items.batch_item(number, part), part.records))
        if self._requested:
            self._requested = False
            self._unread = {schema for schema in self._numbers if not schema.is_stream}
        if self._unread is not None:
            if batch.final:
                self._unread.discard(batch.schema)
            if not self._unread:
                self._unread = None
                self._save_next()

    def close(self) -> None:
        """Write all to the file of the end. Raises OutputError."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        self._save(fd, self._path)

    def _keep(self, kept: _Kept) -> None:
        self._kept.append(kept)
        self._size += len(kept.item) + _OVERHEAD
        while self._size > self._limit and len(self._kept) > 1:
            oldest = self._kept.popleft()
            self._size -= len(oldest.item) + _OVERHEAD
            if not oldest.records and oldest.item[0] == Kind.CLOCK:
                self._clock = oldest.item
            if self._saved:
                self._saved -= 1
            else:
                self._stats.overwritten += oldest.records

    def _save_next(self) -> None:
        """Write all to the next file; a failure does not end the run."""
        assert self._series
        path = self._series.next()
        try:
            records = self._save(new_file.create(path), path)
        except OutputError as error:
            _log.warning("%s", error)
        else:
            self._written(path, records)

    def _save(self, fd: int, path: str) -> int:
        """Write all to a file, and close it; return how many records it has."""
        try:
            with os.fdopen(fd, "wb", buffering=1 << 20) as file:
                blocks = BlockWriter(file)
                blocks.write([*self._opening, self._clock])
                pending: list[bytes] = []
                size = 0
                for item in chain(self._names.all(), [kept.item for kept in self._kept]):
                    pending.append(item)
                    size += len(item)
                    if size >= _BLOCK:
                        blocks.write(pending)
                        pending, size = [], 0
                end = items.document(Kind.END, counts.document(self._stats, self._numbers))
                blocks.write([*pending, end])
        except OSError as error:
            raise new_file.failed(path, error) from None
        self._saved = len(self._kept)
        return sum([kept.records for kept in self._kept])
