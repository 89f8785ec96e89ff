"""A Parquet file of one map's rows (pyarrow, an extra of the package)."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from beepy.errors import UsageError
from beepy.events.arrow import to_arrow
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.outputs.row_writer import RowWriter

_MAX_ROWS: Final = 1 << 16  # of a row group
_MAX_BYTES: Final = 16 << 20  # of the records of a row group
_INSTALL: Final = "python3 -m pip install 'beepy-ebpf[parquet]'"


class ParquetRows:
    """Writes row groups; nothing can be read before the end."""

    def __init__(self, writer: RowWriter) -> None:
        try:
            import pyarrow as pa  # noqa: PLC0415 - an extra of the package
            from pyarrow import parquet  # noqa: PLC0415 - as above
        except ModuleNotFoundError:
            lacking = UsageError("Parquet needs the package pyarrow, which is not installed")
            lacking.add_note(_INSTALL)
            raise lacking from None
        self._pa: Any = pa
        self._writer_of: Any = parquet.ParquetWriter
        self._out = _Out(writer)
        self._parquet: Any = None
        self._decoder: Decoder | None = None
        self._pending: list[Batch] = []
        self._rows = self._size = 0

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Write the types of the only map."""
        (self._decoder,) = decoders
        self._parquet = self._writer_of(
            self._pa.PythonFile(self._out, mode="w"),
            self._table([]).schema,
            compression="zstd",
        )

    def write(self, batch: Batch) -> None:
        """Keep a batch for the next row group."""
        if not batch.records:
            return
        self._pending.append(batch)
        self._rows += batch.records
        self._size += sum(len(part.raw) for part in batch.parts)
        if self._rows >= _MAX_ROWS or self._size >= _MAX_BYTES:
            self._write()

    def close(self) -> None:
        """Write the rest, and what makes the file complete."""
        if self._parquet is None:
            return
        with suppress(BrokenPipeError):  # the reader is gone, and nothing else is left to do
            try:
                if self._rows:
                    self._write()
            finally:  # else it would write when it is collected
                self._parquet.close()

    def _write(self) -> None:
        pending, self._pending = self._pending, []
        self._rows = self._size = 0
        self._parquet.write_table(self._table(pending))

    def _table(self, batches: Sequence[Batch]) -> Any:  # noqa: ANN401 - pyarrow's Table
        assert self._decoder
        return self._pa.table(to_arrow(self._decoder, batches, with_time=True))


class _Out:
    """The writer as pyarrow takes a file."""

    closed = False

    def __init__(self, writer: RowWriter) -> None:
        self._writer = writer

    def write(self, data: Any) -> int:  # noqa: ANN401 - a buffer
        self._writer.write(bytes(data))
        return len(data)

    def tell(self) -> int:
        return self._writer.size

    def flush(self) -> None:
        """Do nothing: nothing is buffered."""

    def close(self) -> None:
        self.closed = True
