"""JSON lines: ``{"map": "print_exits", "time": "2026-11-01T12:00:00.000000001Z", <fields>}``, pure ASCII.

A record's line is one format of bytes, made at open; a block of records is one ``%`` over that format repeated.
"""

import math
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from json.encoder import encode_basestring_ascii
from typing import Any, Final

from beepy.events.batch import Batch, Schema
from beepy.events.codec import Value
from beepy.events.decoder import Decoder, View
from beepy.events.fields import Field
from beepy.outputs.file import RowWriter

_MAX_LINES: Final = 64
_BOOLEANS: Final = (b"false", b"true")


class JsonLines:
    """One object a line; structs nest, a table's rows have ``value``."""

    def __init__(self, out: RowWriter) -> None:
        self._out = out
        self._maps: dict[Schema, tuple[Decoder, View]] = {}
        self._lines: dict[tuple[Schema, tuple[int, ...]], bytes] = {}

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Compile the lines of each map."""
        for decoder in decoders:
            view = decoder.view(decoder.fields, _finish, absent=b"null")
            self._maps[decoder.schema] = decoder, view
            self._line(decoder.schema, ())

    def write(self, batch: Batch) -> None:
        """Write the lines of a batch."""
        _, view = self._maps[batch.schema]
        line = self._line(batch.schema, view.absent(batch))
        self._out.rows(line.replace(b"\0", timestamp(batch.time_ns).encode()), view, batch)

    def close(self) -> None:
        """Do nothing: each batch was written at once."""

    def _line(self, schema: Schema, absent: tuple[int, ...]) -> bytes:
        """Return the format of a line in which the fields at these positions have no value."""
        line = self._lines.get((schema, absent))
        if line is None:
            if len(self._lines) >= _MAX_LINES:  # records of many lengths
                self._lines.clear()
            fields = self._maps[schema][0].fields
            formats = [
                (field.path, "%d" if field.codec.is_plain_int and at not in absent else "%b")
                for at, field in enumerate(fields)
            ]
            text = f'{{"map": {_quoted(schema.map)}, "time": "\0"{_members(formats, 0, ", ")}}}\n'
            line = self._lines[schema, absent] = text.encode()
        return line


def timestamp(time_ns: int) -> str:
    """Return RFC 3339, UTC, with nanoseconds."""
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09d}Z"


def encode(value: Value) -> str:
    """Return a value as JSON in ASCII; NaN and infinities, which JSON has not, are null."""
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
            return f"{{{', '.join([f'{encode(name)}: {encode(member)}' for name, member in value.items()])}}}"


def _quoted(name: str) -> str:
    """Return a name as JSON that stands in a format."""
    return encode(name).replace("%", "%%")


def _members(formats: Sequence[tuple[tuple[str, ...], str]], depth: int, before: str = "") -> str:
    """Return the members of an object for (path, format) that are alike up to ``depth``; structs become objects."""
    texts = []
    for name, group in groupby(formats, lambda each: each[0][depth]):
        members = list(group)
        path, value = members[0]
        if path[depth + 1 :]:
            value = f"{{{_members(members, depth + 1)}}}"
        texts.append(f"{_quoted(name)}: {value}")
    return before + ", ".join(texts) if texts else ""


def _finish(field: Field) -> Callable[[Any], bytes] | None:
    if field.codec.is_plain_int:
        return None
    return _BOOLEANS.__getitem__ if field.codec.code == "?" else lambda value: encode(value).encode()
