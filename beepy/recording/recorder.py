"""The sink that writes a recording."""

import time
from collections.abc import Mapping, Sequence
from typing import BinaryIO, Final

from beepy.btf.btf import Btf
from beepy.errors import OutputError, errno_text
from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.recording import items
from beepy.recording.blocks import BlockWriter
from beepy.recording.items import Kind
from beepy.recording.names import NamesWriter
from beepy.text import safe

_PERIOD: Final = 1.0  # seconds between blocks: what a kill loses
_MAX_PENDING: Final = 4 << 20  # bytes of a block, not compressed


class Recorder:
    """Writes raw records to a new file, a block each second; a kill loses at most the last one.

    It gets the rows that pass the filters. ``about`` is what is known of the run: images and their
    digests, the machine.
    """

    def __init__(self, path: str, about: Mapping[str, object]) -> None:
        self._path = path
        self._about = about
        self._file: BinaryIO | None = None
        self._blocks: BlockWriter | None = None
        self._numbers: dict[Schema, int] = {}
        self._names = NamesWriter(())
        self._pending: list[bytes] = []
        self._size = 0
        self._written = 0.0

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Create the file, and write what comes before records. Raises OutputError."""
        try:
            self._file = open(self._path, "xb", buffering=1 << 20)  # noqa: PTH123 - a path as typed
            self._blocks = BlockWriter(self._file)
        except (OSError, ValueError) as error:
            raise self._refused(error) from None
        self._add(items.document(Kind.HEADER, {"version": items.VERSION, **self._about}))
        self._add(_clocks())
        self._names = NamesWriter(decoders)
        numbers: dict[Btf, int] = {}
        for number, decoder in enumerate(decoders):
            schema = decoder.schema
            self._numbers[schema] = number
            kernel = schema.kernel()
            enums = items.kernel_enums(schema.btf, kernel) if kernel else None
            for btf in (schema.btf, enums):
                if btf is not None and btf not in numbers:
                    numbers[btf] = len(numbers)
                    self._add(items.types_item(numbers[btf], btf))
            kernel_number = None if enums is None else numbers[enums]
            self._add(items.schema_item(number, schema, numbers[schema.btf], kernel_number))
        self._write()

    def write(self, batch: Batch) -> None:
        """Keep a batch for the next block. Raises OutputError."""
        for item in self._names.items(batch):
            self._add(item)
            if self._size > _MAX_PENDING:
                self._write()
        if batch.records or batch.lost or batch.final:
            self._add(items.batch_item(self._numbers[batch.schema], batch))
        if self._size > _MAX_PENDING or time.monotonic() - self._written > _PERIOD:
            self._write()

    def close(self) -> None:
        """Write the rest, and close the file. Raises OutputError."""
        if self._file is None:
            return
        if self._blocks:
            self._add(_clocks())
            self._add(items.document(Kind.END, {}))
            self._write()
        file, self._file = self._file, None
        file.close()

    def _add(self, item: bytes) -> None:
        self._pending.append(item)
        self._size += len(item)

    def _write(self) -> None:
        assert self._blocks
        pending, self._pending = self._pending, [_clocks()]  # of the time before the next records
        self._size = 0
        self._written = time.monotonic()
        try:
            self._blocks.write(pending)
        except OSError as error:
            self._blocks = None  # what is pending is not tried again
            raise self._refused(error) from None

    def _refused(self, error: OSError | ValueError) -> OutputError:
        number = getattr(error, "errno", None)
        return OutputError(f"{safe(self._path)}: {errno_text(number) if number else error}")


def _clocks() -> bytes:
    clocks = (time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME, time.CLOCK_REALTIME)
    return items.clock_item(*map(time.clock_gettime_ns, clocks))
