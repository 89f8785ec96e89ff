"""JSON lines in ASCII: ``{"map": "print_exits", "time": "2026-11-01T12:00:00.000000001Z", ...}``.

A record's line is a ``%`` format of bytes, made by ``open``; a block of records is that format,
repeated, filled at once.
"""

import math
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from json.encoder import encode_basestring_ascii
from typing import Any, Final, NamedTuple

from beepy.events.batch import Batch, Schema
from beepy.events.codec import Value
from beepy.events.decoder import Decoder, View
from beepy.events.fields import Field
from beepy.outputs import image_name
from beepy.outputs.row_writer import RowWriter

_MAX_FORMATS: Final = 64  # of one map: its records may have many lengths
_BOOLEANS: Final = (b"false", b"true")
_TIME: Final = b"\0"  # where a format gets its batch's time: JSON has no NUL


class _MapLines(NamedTuple):
    """How the records of one map are read and written.

    ``formats`` has the format of a line by the positions of the fields that have no value in it.
    """

    fields: tuple[Field, ...]
    view: View
    formats: dict[tuple[int, ...], bytes]


class JsonLines:
    """Writes one object per line; structs are nested, a table's rows have ``value``."""

    def __init__(self, writer: RowWriter) -> None:
        self._writer = writer
        self._lines: dict[Schema, _MapLines] = {}
        self._image = ""  # the name of the member that says whose rows they are

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Compile the format of each map's lines."""
        self._image = image_name(decoders)
        for decoder in decoders:
            presentation = decoder.schema.presentation
            hidden = presentation.not_in_json if presentation else ()
            fields = by_struct(decoder.shown(hidden))
            view = decoder.view(fields, _converter, absent=b"null")
            lines = _MapLines(fields, view, {})
            lines.formats[()] = self._line_format(decoder.schema, fields, ())
            self._lines[decoder.schema] = lines

    def write(self, batch: Batch) -> None:
        """Write the lines of a batch."""
        fields, view, formats = self._lines[batch.schema]
        absent = view.absent(batch)
        line_format = formats.get(absent)
        if line_format is None:
            if len(formats) >= _MAX_FORMATS:
                formats.clear()
            line_format = formats[absent] = self._line_format(batch.schema, fields, absent)
        time_text = timestamp(batch.time_ns).encode()
        self._writer.write_rows(line_format.replace(_TIME, time_text), view, batch)

    def close(self) -> None:
        """Do nothing: each batch was written at once."""

    def _line_format(
        self, schema: Schema, fields: Sequence[Field], absent: tuple[int, ...]
    ) -> bytes:
        """Return the format of a line in which the fields at these positions have no value."""
        formats = [
            (field.path, "%d" if field.codec.is_plain_int and position not in absent else "%b")
            for position, field in enumerate(fields)
        ]
        first = f'"map": {_quoted(schema.map)}'
        if self._image:
            first += f", {_quoted(self._image)}: {_quoted(schema.image)}"
        members = "".join([f", {member}" for member in _members(formats, 0)])
        return f'{{{first}, "time": "{_TIME.decode()}"{members}}}\n'.encode()


def by_struct(fields: Sequence[Field]) -> tuple[Field, ...]:
    """Return the fields with those of one struct together, at the place of its first one."""
    ranks: dict[tuple[str, ...], int] = {}
    for field in fields:
        for depth in range(len(field.path)):
            ranks.setdefault(field.path[: depth + 1], len(ranks))

    def rank(field: Field) -> list[int]:
        return [ranks[field.path[: depth + 1]] for depth in range(len(field.path))]

    return tuple(sorted(fields, key=rank))


def timestamp(time_ns: int) -> str:
    """Return the time in the form of RFC 3339: UTC, with nanoseconds."""
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09d}Z"


def encode(value: Value) -> str:
    """Return a value as JSON in ASCII; NaN and infinities, which JSON lacks, are null."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return repr(value) if math.isfinite(value) else "null"
        case str():
            return encode_basestring_ascii(value).replace("\x7f", "\\u007f")
        case tuple():
            return f"[{', '.join(map(encode, value))}]"
        case dict():
            members = [f"{encode(name)}: {encode(member)}" for name, member in value.items()]
            return f"{{{', '.join(members)}}}"


def _quoted(name: str) -> str:
    """Return a name as JSON, escaped for a ``%`` format."""
    return encode(name).replace("%", "%%")


def _members(formats: Sequence[tuple[tuple[str, ...], str]], depth: int) -> list[str]:
    """Return the members of an object for pairs (path, format); a struct becomes an object.

    The paths are equal up to ``depth``.
    """
    members = []
    for name, group in groupby(formats, lambda pair: pair[0][depth]):
        pairs = list(group)
        path, value = pairs[0]
        if path[depth + 1 :]:
            value = f"{{{', '.join(_members(pairs, depth + 1))}}}"
        members.append(f"{_quoted(name)}: {value}")
    return members


def _converter(field: Field) -> Callable[[Any], bytes] | None:
    """Return what encodes a field's values, None for integers, which the format encodes."""
    if field.codec.is_plain_int:
        return None
    return (
        _BOOLEANS.__getitem__ if field.codec.code == "?" else lambda value: encode(value).encode()
    )
