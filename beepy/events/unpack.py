"""Unpack runs of raw records: one compiled format for many records at once."""

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

from beepy.errors import DecodeError
from beepy.events.batch import Batch, Part
from beepy.events.fields import RECORD

Slot: TypeAlias = tuple[int, str]
"""An item of each record: its offset in bytes, and its format character with its repeat count."""

MAX_ITEMS: Final = 2048  # of one compiled format (32 bytes each): 256 records of 8 fields
_MAX_FORMATS: Final = 64


class Blocks:
    """Unpacks runs: the items at ``slots`` of every record, in that order."""

    def __init__(self, slots: Sequence[Slot], name: str) -> None:
        self._slots = slots
        self._name = name
        ends = [offset + struct.calcsize(f"<{code}") for offset, code in slots]
        self.size = max(ends, default=0)
        # a power of two, so that what is left of a run is made of halves: few formats are compiled
        self._most = 1 << (max(MAX_ITEMS // max(len(slots), 1), 1).bit_length() - 1)
        self._formats: dict[tuple[int, int, int], struct.Struct] = {}

    def run(self, part: Part, records: int) -> Iterator[tuple[tuple[Any, ...], int]]:
        """Yield (the items of some records one after the other, the number of those records).

        With formats of up to 256 records, 357 records are unpacked as 256 + 64 + 32 + 4 + 1.
        """
        raw, stride, skip = part
        end = skip + self.size
        if records and (stride < end or len(raw) < stride * (records - 1) + end):
            raise _too_few_bytes(self._name, part, records, self.size)
        if len(raw) < stride * records:
            # the last record may lack its padding, which the format skips
            raw = raw.ljust(stride * records, b"\0")
        at, count = 0, self._most
        while records:
            while count > records:
                count >>= 1
            yield self._format(stride, skip, count).unpack_from(raw, at), count
            at += stride * count
            records -= count

    def columns(self, part: Part, records: int) -> list[list[Any]]:
        """Return one column for each slot."""
        width = len(self._slots)
        columns: list[list[Any]] = [[] for _ in range(width)]
        for flat, _ in self.run(part, records):
            for at, column in enumerate(columns):
                column.extend(flat[at::width])  # every width-th item: one slot of all records
        return columns

    def _format(self, stride: int, skip: int, count: int) -> struct.Struct:
        key = (stride, skip, count)
        compiled = self._formats.get(key)
        if compiled is None:
            if len(self._formats) >= _MAX_FORMATS:  # the records have many lengths
                self._formats.clear()
            # offsets count from the record, which begins after ``skip`` bytes of header
            record, end = "", -skip
            for offset, code in self._slots:
                record += f"{offset - end}x{code}"
                end = offset + struct.calcsize(f"<{code}")
            record += f"{stride - skip - end}x"
            compiled = self._formats[key] = struct.Struct("<" + record * count)
        return compiled


def records_of(batch: Batch, name: str) -> list[bytes]:
    """Return the records of a stream, from their first byte to their last one."""
    if not batch.records:  # of a batch that says only that time has passed
        return []
    part, length = batch.parts[RECORD], batch.length
    raw, stride, skip = part
    end = skip + length
    if stride < end or len(raw) < stride * (batch.records - 1) + end:
        raise _too_few_bytes(name, part, batch.records, length)
    return [raw[at + skip : at + end] for at in range(0, stride * batch.records, stride)]


def _too_few_bytes(name: str, part: Part, records: int, size: int) -> DecodeError:
    got = f"{len(part.raw)} bytes in steps of {part.stride} for {records} records"
    return DecodeError(f"map '{name}': {got}: expected {size} bytes after every {part.skip}")
