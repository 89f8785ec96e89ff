"""The sink that writes a recording."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import BinaryIO, Final

from beepy import new_file
from beepy.btf.btf import Btf
from beepy.events.batch import Batch, Schema
from beepy.events.clock import LIVE
from beepy.events.decoder import Decoder
from beepy.events.stats import RunStats
from beepy.recording import counts, items
from beepy.recording.blocks import BlockWriter
from beepy.recording.items import Kind
from beepy.recording.names import NamesWriter

_PERIOD: Final = 1.0  # seconds between blocks: what a kill loses
_MAX_PENDING: Final = 4 << 20  # bytes of a block, not compressed


class Recorder:
    """Writes raw records to a new file, a block each second; a kill loses at most the last one.

    It gets the rows that pass the filters. ``about`` is what is known of the run: images and their
    digests, the machine. ``stats`` are the counts of the run, which are written at its end; None
    for a recording of a part of it.
    """

    def __init__(
        self, path: str, about: Mapping[str, object], stats: RunStats | None = None
    ) -> None:
        self._path = path
        self._about = about
        self._stats = stats
        self._file: BinaryIO | None = None
        self._blocks: BlockWriter | None = None
        self._numbers: dict[Schema, int] = {}
        self._names = NamesWriter(())
        self._pending: list[bytes] = []
        self._size = 0
        self._written = 0.0
        self._offsets = (0, 0)  # of the last clocks

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Create the file, and write what comes before records. Raises OutputError."""
        try:
            self._file = os.fdopen(new_file.create(self._path), "wb", buffering=1 << 20)
            self._blocks = BlockWriter(self._file)
        except OSError as error:
            raise new_file.failed(self._path, error) from None
        self._names = NamesWriter(decoders)
        opening, self._numbers = opening_items(self._about, decoders)
        for item in opening:
            self._add(item)
        self._write()

    def write(self, batch: Batch) -> None:
        """Keep a batch for the next block. Raises OutputError."""
        for item in self._names.items(batch):
            self._add(item)
            if self._size > _MAX_PENDING:
                self._write()
        if batch.records or batch.lost or batch.final:
            if (offsets := LIVE.offsets()) != self._offsets:
                self._offsets = offsets
                self._add(items.clock_item())
            self._add(items.batch_item(self._numbers[batch.schema], batch))
        if self._size > _MAX_PENDING or time.monotonic() - self._written > _PERIOD:
            self._write()

    def close(self) -> None:
        """Write the rest, and close the file. Raises OutputError."""
        file, self._file = self._file, None
        if file is None:
            return
        has_failed = self._blocks is None  # which was reported
        try:
            with file:  # closing tries once more to write what is buffered
                if self._blocks:
                    end = counts.document(self._stats, self._numbers) if self._stats else {}
                    self._add(items.document(Kind.END, end))
                    self._write()
        except OSError as error:
            if not has_failed:
                raise new_file.failed(self._path, error) from None

    def _add(self, item: bytes) -> None:
        self._pending.append(item)
        self._size += len(item)

    def _write(self) -> None:
        assert self._blocks
        pending, self._pending = self._pending, []
        self._size = 0
        self._written = time.monotonic()
        try:
            self._blocks.write(pending)
        except OSError as error:
            self._blocks = None  # what is pending is not tried again
            raise new_file.failed(self._path, error) from None


def opening_items(
    about: Mapping[str, object], decoders: Sequence[Decoder]
) -> tuple[list[bytes], dict[Schema, int]]:
    """Return what comes before the records, and the numbers of the schemas."""
    header = {"version": items.VERSION, **about}
    opening = [items.document(Kind.HEADER, header), items.clock_item()]
    schemas: dict[Schema, int] = {}
    numbers: dict[Btf, int] = {}
    for number, decoder in enumerate(decoders):
        schema = decoder.schema
        schemas[schema] = number
        kernel = schema.kernel()
        enums = items.kernel_enums(schema.btf, kernel) if kernel else None
        for btf in (schema.btf, enums):
            if btf is not None and btf not in numbers:
                numbers[btf] = len(numbers)
                opening.append(items.types_item(numbers[btf], btf))
        kernel_number = None if enums is None else numbers[enums]
        opening.append(items.schema_item(number, schema, numbers[schema.btf], kernel_number))
    return opening, schemas
