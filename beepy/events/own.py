"""Leave out the rows that beepy itself causes: records of streams that name its own process.

The process ids of a run of records are compared one byte at a time, in C. For each of the four
bytes of an id a column is cut out of the run. A column that lacks the byte of our own id ends the
search, as the first or second one nearly always does::

    run       | header | .. pid .. | header | .. pid .. |     our pid 0x00012a3f: 3f 2a 01 00
    column 0             3f                   51              has 3f: go on
    column 1             11                   c0              lacks 2a: no record is ours
"""

from collections.abc import Iterable, Iterator
from typing import Final

from beepy.events.batch import Batch, Part, Schema
from beepy.events.batch_ops import select
from beepy.events.decoder import Decoder
from beepy.events.fields import RECORD, Field

# tgid first: in records that have both, pid is a thread's id, as in the kernel; the third is that
# of gadgets, struct gadget_process proc
_PATHS: Final = (("tgid",), ("pid",), ("proc", "pid"))
_SIZE: Final = 4


class OwnRecords:
    """Leaves out the records of streams that have ``pid`` as that of their process."""

    def __init__(self, pid: int, decoders: Iterable[Decoder]) -> None:
        self._bytes = tuple([(byte, _differing(byte)) for byte in pid.to_bytes(_SIZE, "little")])
        offsets = {decoder.schema: pid_offset(decoder) for decoder in decoders}
        self._offsets = {schema: offset for schema, offset in offsets.items() if offset is not None}

    def names_process(self, schema: Schema) -> bool:
        """Return whether the records of a map name the process that caused them."""
        return schema in self._offsets

    def apply(self, batch: Batch) -> Batch:
        """Return the batch without our own records; its other members stay the same."""
        offset = self._offsets.get(batch.schema)
        if offset is None or not batch.records or batch.length < offset + _SIZE:
            return batch
        others = self._others(batch.parts[RECORD], offset, batch.records)
        return select(batch, others) if 0 in others else batch

    def _others(self, part: Part, offset: int, records: int) -> bytes:
        """Return one byte for each record, 0 if it is our own; b"" if none is."""
        differ = 0  # one integer of ``records`` bytes: all records are compared by one "or"
        for at, (own, differing) in enumerate(self._bytes, part.skip + offset):
            column = part.raw[at : at + (records - 1) * part.stride + 1 : part.stride]
            if own not in column:
                return b""
            differ |= int.from_bytes(column.translate(differing), "little")
        return differ.to_bytes(records, "little")


def pid_offset(decoder: Decoder) -> int | None:
    """Return the offset in bytes of the process id in a stream's records, None if not found."""
    if not decoder.schema.is_stream:
        return None
    for field in _pid_fields(decoder):
        if field.codec.size == _SIZE and field.bits == 8 * _SIZE:
            return field.start
    return None


def pid_field(decoder: Decoder) -> Field | None:
    """Return the field with the pid of the process that a record is about, None if not found."""
    return next(_pid_fields(decoder), None)


def _pid_fields(decoder: Decoder) -> Iterator[Field]:
    fields = {field.path: field for field in decoder.fields}
    for path in _PATHS:
        field = fields.get(path)
        if field and field.codec.is_plain_int:
            yield field


def _differing(own: int) -> bytes:
    """Return a table for ``bytes.translate``: 0 for our own byte, 1 for any other."""
    return bytes([byte != own for byte in range(256)])
