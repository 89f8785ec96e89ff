"""Rows that beepy itself causes: records of streams that name its own process.

The process ids of a run of records are compared a byte at a time, in C. Of each of their four bytes a column is cut
out of the run; a column that lacks the byte of our own id ends the search, as it nearly always does::

    run     | header | .. pid .. | header | .. pid .. |      pid 0x00012a3f: bytes 3f 2a 01 00
    column             3f                   51               the first of them: 3f is there, look at the second
"""

from collections.abc import Iterable
from typing import Final

from beepy.events.batch import Batch, Part, Schema
from beepy.events.batch_ops import select
from beepy.events.decoder import Decoder
from beepy.events.fields import RECORD

_NAMES: Final = ("tgid", "pid")  # tgid first: beside it, pid is a thread in the kernel's words
_SIZE: Final = 4


class Own:
    """Leaves out the records of streams whose field ``tgid`` or ``pid`` is ``pid``."""

    def __init__(self, pid: int, decoders: Iterable[Decoder]) -> None:
        self._bytes = tuple([(byte, _marks(byte)) for byte in pid.to_bytes(_SIZE, "little")])
        found = {decoder.schema: pid_offset(decoder) for decoder in decoders}
        self._offsets = {schema: offset for schema, offset in found.items() if offset is not None}

    def names_process(self, schema: Schema) -> bool:
        """Tell whether the records of a map name the process that caused them."""
        return schema in self._offsets

    def apply(self, batch: Batch) -> Batch:
        """Return the batch without our own records; its other members stay the same."""
        offset = self._offsets.get(batch.schema)
        if offset is None or not batch.records or batch.length < offset + _SIZE:
            return batch
        others = self._others(batch.parts[RECORD], offset, batch.records)
        return select(batch, others) if 0 in others else batch

    def _others(self, part: Part, offset: int, records: int) -> bytes:
        """Return 0 for each record that is our own, else 1; nothing if none is."""
        differ = 0  # a byte a record
        for place, (own, marks) in enumerate(self._bytes, part.skip + offset):
            column = part.raw[place : place + (records - 1) * part.stride + 1 : part.stride]
            if own not in column:
                return b""
            differ |= int.from_bytes(column.translate(marks), "little")
        return differ.to_bytes(records, "little")


def pid_offset(decoder: Decoder) -> int | None:
    """Return where a stream's records have the id of a process, in bytes; None where they have none."""
    if not decoder.schema.is_stream:
        return None
    known = {field.path: field for field in decoder.fields}
    for name in _NAMES:
        field = known.get((name,))
        if field and field.codec.is_plain_int and (field.codec.size, field.bits) == (_SIZE, 8 * _SIZE):
            return field.start
    return None


def _marks(own: int) -> bytes:
    """Return a table for ``bytes.translate``: 0 for our own byte, 1 for any other."""
    return bytes([byte != own for byte in range(256)])
