"""An Arrow IPC stream of one map's rows."""

import io
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from beepy.events.arrow import IpcStream
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.outputs.row_writer import RowWriter

_PERIOD: Final = 1.0  # seconds between record batches: what a kill loses
MAX_ROWS: Final = 1 << 16  # of a record batch


class ArrowRows:
    """Writes record batches, one a second, or for each 65,536 rows; the types come first."""

    def __init__(self, writer: RowWriter) -> None:
        self._writer = writer
        self._message = io.BytesIO()
        self._stream = IpcStream(self._message)
        self._decoder: Decoder | None = None
        self._pending: list[Batch] = []
        self._rows = 0
        self._written = 0.0

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Write the types of the only map."""
        (self._decoder,) = decoders
        self._stream.write_types(self._decoder)
        self._send()
        self._written = time.monotonic()

    def write(self, batch: Batch) -> None:
        """Keep a batch for the next record batch."""
        if batch.records:
            self._pending.append(batch)
            self._rows += batch.records
        is_due = batch.final or time.monotonic() - self._written >= _PERIOD
        if self._rows >= MAX_ROWS or (self._rows and is_due):
            self._write()

    def close(self) -> None:
        """Write the rest, and the mark of the end."""
        if self._decoder is None:
            return
        with suppress(BrokenPipeError):  # the reader is gone, and nothing else is left to do
            if self._rows:
                self._write()
            self._stream.close()
            self._send()

    def _write(self) -> None:
        assert self._decoder
        pending, self._pending = self._pending, []
        self._rows = 0
        self._written = time.monotonic()
        self._stream.write(self._decoder, pending)
        self._send()

    def _send(self) -> None:
        """Write what the stream wrote at once, so that a full disk leaves whole messages."""
        data = self._message.getvalue()
        self._message.seek(0)
        self._message.truncate()
        self._writer.write(data)
