"""Slots: the values of derived fields as bytes before a record, for what decodes records later.

::

    | slot | slot | record |         a slot: u8 is it known | i64, or text in UTF-8 | zeros

Who a process is may be another thing later, or not be known any more.
"""

import struct
from collections.abc import Sequence

from beepy.btf.types import Bits
from beepy.events.batch import Batch, Part
from beepy.events.codec import Codec, Value
from beepy.events.decoder import Decoder
from beepy.events.fields import RECORD, Field


def packed(value: Value, size: int) -> bytes:
    """Return the slot of ``size`` bytes of a number, a text, which is cut to fit, or None."""
    if value is None:
        return bytes(size)
    if isinstance(value, int):
        return struct.pack("<?q", True, value).ljust(size, b"\0")
    raw = str(value).encode("utf-8", "backslashreplace")[: size - 1]
    return (b"\1" + raw).ljust(size, b"\0")


def codec(derived: Codec, size: int) -> Codec:
    """Return the codec of a derived field's values in slots."""

    def read(raw: bytes) -> Value:
        if not raw[0]:
            return None
        if derived.number:
            return int.from_bytes(raw[1:9], "little", signed=True)
        return raw[1:].rstrip(b"\0").decode("utf-8", "ignore")

    return derived._replace(code=f"{size}s", size=size, value=read)


def moved(field: Field, start: int) -> Field:
    """Return a field of the record that begins at byte ``start``."""
    return field._replace(start=field.start + start, offset=Bits(field.offset + 8 * start))


class Slots:
    """Puts the values of ``derived`` fields before the records of a stream.

    ``decoder`` reads such records, ``of`` says where a field is in them.
    """

    def __init__(self, decoder: Decoder, derived: Sequence[Field], size: int) -> None:
        self._source = decoder
        self._derived = tuple(derived)
        self._size = size
        self._head = size * len(self._derived)
        fields = tuple([self.of(field) for field in (*self._derived, *decoder.fields)])
        self.decoder = Decoder(decoder.schema, layout=(fields, self._head + decoder.size))

    def of(self, field: Field) -> Field:
        """Return the field as it is behind, or in, the slots."""
        if not field.derived:
            return moved(field, self._head)
        start = self._size * self._derived.index(field)
        return field._replace(
            start=start,
            offset=Bits(8 * start),
            bits=8 * self._size,
            codec=codec(field.codec, self._size),
            derived=None,
        )

    def add(self, batch: Batch) -> Batch:
        """Return the batch with slots."""
        columns = self._source.values(batch, self._derived)
        texts = [{value: packed(value, self._size) for value in {*column}} for column in columns]
        raw, stride, skip = batch.parts[RECORD]
        records = []
        for row, values in enumerate(zip(*columns, strict=True)):
            at = row * stride + skip
            slots = [texts[position][value] for position, value in enumerate(values)]
            records.append(b"".join([*slots, raw[at : at + batch.length]]))
        length = self._head + batch.length
        return batch._replace(parts=(Part(b"".join(records), length, 0),), length=length)
