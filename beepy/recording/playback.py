"""A recording as the source of a run."""

import threading
import time
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final, Self

from beepy.btf.btf import Btf
from beepy.errors import RecordingError, errno_text
from beepy.events.batch import Batch, Schema
from beepy.events.clock import Clock
from beepy.events.stats import RunStats
from beepy.log import Log
from beepy.recording import blocks, counts, items
from beepy.recording.blocks import Item
from beepy.recording.items import Kind
from beepy.recording.names import RecordedNames
from beepy.text import safe

_log = Log(__name__)

_MAX_TABLES: Final = 1 << 30  # bytes of the last snapshots, which are kept
_OVERHEAD: Final = 512  # bytes that Python needs for a batch


class Playback:
    """Yields the batches of a recording, as the maps yielded them.

    ``speed`` is how many seconds of the recording pass in one; None: as fast as they are taken. It
    owns the file, which has no more than its last block in memory. Raises RecordingError.
    """

    def __init__(self, path: str, speed: float | None = None) -> None:
        self._where = safe(path)
        self._speed = speed
        self._stopped = threading.Event()
        self._clocks = dict.fromkeys(items.CLOCKS, 0)
        self._clock = Clock(self._time)
        self._read_ns = 0  # the wall clock when the batch was read
        self._tables: dict[Schema, list[Batch]] = {}
        self._tables_size = 0
        self._ended = False
        try:
            self._file: BinaryIO = open(path, "rb")  # noqa: PTH123 - a path as typed
        except (OSError, ValueError) as error:
            number = getattr(error, "errno", None)
            reason = errno_text(number) if number else error
            raise RecordingError(f"{self._where}: {reason}") from None
        try:
            self._blocks = blocks.read(self._file, self._where)
            self._rest = self._read_header(next(self._blocks, []))
        except BaseException:
            self._file.close()
            raise
        self.stats = RunStats(self.schemas)

    def _read_header(self, first: list[Item]) -> list[Item]:
        """Read what comes before the records; return the items behind it."""
        if not first or first[0].kind != Kind.HEADER:
            raise RecordingError(f"{self._where}: cut before its first records")
        self.about = items.read_document(first[0], self._where)
        if self.about.get("version") != items.VERSION:
            version = safe(str(self.about.get("version"))[:20])
            raise RecordingError(f"{self._where}: version {version}: expected {items.VERSION}")
        btfs: dict[int, Btf] = {}
        self._schemas: dict[int, Schema] = {}
        self._names = RecordedNames()
        rest = []
        for item in first[1:]:
            if item.kind == Kind.TYPES:
                number, btf = items.read_types(item, self._where)
                btfs[number] = btf
            elif item.kind == Kind.SCHEMA:
                number, schema = items.read_schema(item, btfs, self._clock, self._where)
                self._schemas[number] = schema._replace(machine=self._names.machine)
            elif item.kind == Kind.CLOCK:
                self._set_clock(item)
            else:
                rest.append(item)
        self.schemas = tuple(self._schemas.values())
        return rest

    def open(self) -> None:
        """Do nothing: the header was read at once."""

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches until ``stop`` or the end. Raises RecordingError for a damaged file."""
        begin: tuple[float, int] | None = None
        for batch in self._batches():
            if self._speed:
                now = time.monotonic()
                begin = begin or (now, batch.time_ns)
                due = begin[0] + (batch.time_ns - begin[1]) / 1e9 / self._speed
                if due > now and self._stopped.wait(min(due - now, threading.TIMEOUT_MAX)):
                    return
            if self._stopped.is_set():
                return
            self._note_table(batch)
            yield batch
        if not self._ended and not self._stopped.is_set():
            _log.warning("%s: it has no end: the run was killed, or is still recorded", self._where)

    def _batches(self) -> Iterator[Batch]:
        yield from self._read(self._rest)
        for group in self._blocks:
            yield from self._read(group)
            if self._stopped.is_set():
                return

    def _read(self, group: list[Item]) -> Iterator[Batch]:
        for item in group:
            if self._stopped.is_set():
                return
            if item.kind == Kind.BATCH:
                batch = items.read_batch(item, self._schemas, self._where)
                self._read_ns = batch.time_ns
                yield batch
            elif item.kind == Kind.CLOCK:
                self._set_clock(item)
            elif item.kind == Kind.NAMES:
                self._names.read(item, self._where)
            elif item.kind == Kind.END:
                self._ended = True
                end = items.read_document(item, self._where)
                counts.read(end, self._schemas, self.stats, self._where)

    def _note_table(self, batch: Batch) -> None:
        """Keep the last snapshot of each table."""
        if batch.schema.is_stream:
            return
        kept = self._tables.setdefault(batch.schema, [])
        if kept and kept[0].snapshot != batch.snapshot:
            self._tables_size -= sum(map(_size, kept))
            kept.clear()
        kept.append(batch)
        self._tables_size += _size(batch)
        if self._tables_size > _MAX_TABLES:
            raise RecordingError(f"{self._where}: tables of more than {_MAX_TABLES} bytes")

    def demand(self, schemas: tuple[Schema, ...]) -> None:
        """Do nothing: a recording has the snapshots that were taken."""

    def snapshot(self, schemas: Iterable[Schema]) -> Iterator[Batch]:
        """Yield the last snapshot so far of each of these tables."""
        for schema in schemas:
            yield from tuple(self._tables.get(schema, ()))

    def stop(self) -> None:
        """End the iteration, from any thread or signal handler."""
        self._stopped.set()

    def close(self) -> None:
        """Close the file."""
        self._stopped.set()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _set_clock(self, item: Item) -> None:
        self._clocks = items.read_clock(item, self._where)
        self._clock.renew()

    def _time(self, number: int) -> int:
        """Return the time (ns) of a clock when the batch was read."""
        return self._clocks[number] + max(self._read_ns - self._clocks[time.CLOCK_REALTIME], 0)


def _size(batch: Batch) -> int:
    return _OVERHEAD + sum([len(part.raw) for part in batch.parts])
