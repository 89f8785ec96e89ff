"""A profile in pprof's form (profile.proto), compressed with gzip.

It is written here, in a few lines: a message is fields, each a key (number and kind) and a varint,
or a length and bytes::

    | number << 3 | varint |        | number << 3 + 2 | length | bytes |
"""

import gzip
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.events.stacks import name_of
from beepy.outputs.row_writer import RowWriter
from beepy.outputs.stack_counts import StackCounts, shown

# numbers of fields in profile.proto
_SAMPLE_TYPE, _SAMPLE, _LOCATION, _FUNCTION, _STRING = 1, 2, 4, 5, 6
_TIME_NANOS, _DURATION_NANOS = 9, 10
_TYPE, _UNIT = 1, 2  # of ValueType
_LOCATION_ID, _VALUE, _LABEL = 1, 2, 3  # of Sample
_KEY, _STR = 1, 2  # of Label
_ID, _LINE = 1, 4  # of Location
_FUNCTION_ID = 1  # of Line
_NAME, _SYSTEM_NAME = 2, 3  # of Function
_BYTES: Final = 2  # a field's kind
_U64: Final = (1 << 64) - 1
_UNITS: Final = {1: "nanoseconds", 1_000: "microseconds", 1_000_000: "milliseconds"}


class Pprof:
    """Counts stacks, and writes the profile at the end; each map has its own type of samples."""

    def __init__(self, writer: RowWriter) -> None:
        self._writer = writer
        self._counts = StackCounts()
        self._first = self._last = 0  # times, ns since the epoch

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Prepare for the maps of the decoders."""
        self._counts.open(decoders)

    def write(self, batch: Batch) -> None:
        """Count a batch."""
        self._first = self._first or batch.time_ns
        self._last = batch.time_ns
        self._counts.add(batch)

    def close(self) -> None:
        """Write the profile."""
        profile = gzip.compress(self._profile(), mtime=0)
        with suppress(BrokenPipeError):  # the reader is gone, and nothing else is left to do
            self._writer.write(profile)

    def _profile(self) -> bytes:
        strings, functions = _Numbers(), _Numbers()
        strings.of("")  # the first one is empty
        maps = self._counts.maps
        parts = []
        for schema, counted in maps.items():
            value = counted.stacks.value
            title = strings.of(shown(name_of(schema, value) if value else "samples"))
            if value is None and len(maps) > 1:
                title = strings.of(shown(schema.map))
            unit = strings.of(_UNITS.get(counted.stacks.unit_ns, "count"))
            parts.append(_message(_SAMPLE_TYPE, _number(_TYPE, title) + _number(_UNIT, unit)))
        labels = {
            schema: [strings.of(shown(field.name)) for field in counted.stacks.before]
            for schema, counted in maps.items()
        }
        positions = {schema: position for position, schema in enumerate(maps)}
        for schema, (before, frames), count in self._counts.rows():
            # the innermost first
            ids = [functions.of(shown(frame)) + 1 for frame in reversed(frames)]
            values = [count if at == positions[schema] else 0 for at in range(len(maps))]
            keys = labels[schema] if before else []
            pairs = [
                _number(_KEY, key) + _number(_STR, strings.of(shown(text)))
                for key, text in zip(keys, before, strict=True)
            ]
            sample = _packed(_LOCATION_ID, ids) + _packed(_VALUE, values)
            parts.append(_message(_SAMPLE, sample + b"".join(_message(_LABEL, p) for p in pairs)))
        for number, name in enumerate(functions.names, 1):
            line = _message(_LINE, _number(_FUNCTION_ID, number))
            parts.append(_message(_LOCATION, _number(_ID, number) + line))
            text = strings.of(name)
            function = _number(_ID, number) + _number(_NAME, text) + _number(_SYSTEM_NAME, text)
            parts.append(_message(_FUNCTION, function))
        parts += [_message(_STRING, name.encode()) for name in strings.names]
        parts.append(_number(_TIME_NANOS, self._first))
        parts.append(_number(_DURATION_NANOS, self._last - self._first))
        return b"".join(parts)


class _Numbers:
    """Numbers texts, from 0 on."""

    def __init__(self) -> None:
        self.names: dict[str, int] = {}

    def of(self, name: str) -> int:
        return self.names.setdefault(name, len(self.names))


def _varint(number: int) -> bytes:
    """Return seven bits a byte, the lowest first; a negative number as 64 bits."""
    number &= _U64
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _number(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _message(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | _BYTES) + _varint(len(content)) + content


def _packed(field: int, numbers: Iterable[int]) -> bytes:
    return _message(field, b"".join(map(_varint, numbers)))
