"""Comma-separated values (RFC 4180): one header, and a line for each row, ended by CR LF.

The columns are those of all maps together; a row leaves empty what its map does not have.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from beepy.events.batch import Batch, Schema
from beepy.events.codec import Value
from beepy.events.decoder import Decoder, View
from beepy.events.fields import Field
from beepy.outputs import image_name
from beepy.outputs.jsonl import encode, timestamp
from beepy.outputs.row_writer import RowWriter
from beepy.text import safe

_SPECIAL: Final = frozenset(',"')


class _MapLines(NamedTuple):
    """How the records of one map are read, and the format of a line behind its time."""

    view: View
    rest: bytes


class CsvLines:
    r"""Writes the header when it is opened; structs are joined by dots, arrays are JSON.

    Control characters in texts are escaped (``\x1b``), so that each line is one row.
    """

    def __init__(self, writer: RowWriter) -> None:
        self._writer = writer
        self._lines: dict[Schema, _MapLines] = {}
        self._names_image = False

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Write the header."""
        names = dict.fromkeys(field.name for decoder in decoders for field in decoder.shown())
        for decoder in decoders:
            own = {field.name: field for field in decoder.shown()}
            view = decoder.view([own[name] for name in names if name in own], _converter, b"")
            rest = b"".join([b",%b" if name in own else b"," for name in names])
            self._lines[decoder.schema] = _MapLines(view, rest)
        image = image_name(decoders)
        self._names_image = bool(image)
        header = ["map", *([image] if image else []), "time", *map(_cell, names)]
        self._writer.write(",".join(header) + "\r\n")

    def write(self, batch: Batch) -> None:
        """Write the lines of a batch."""
        view, rest = self._lines[batch.schema]
        names = [batch.schema.map, *([batch.schema.image] if self._names_image else [])]
        begin = ",".join([*map(_cell, names), timestamp(batch.time_ns)]).replace("%", "%%")
        self._writer.write_rows(begin.encode() + rest + b"\r\n", view, batch)

    def close(self) -> None:
        """Do nothing: each batch was written at once."""


def _converter(field: Field) -> Callable[[Any], bytes]:
    if field.codec.is_plain_int:
        return lambda value: b"%d" % value
    return lambda value: _value(value).encode()


def _value(value: Value) -> str:
    if isinstance(value, str):
        return _cell(value)
    return "" if value is None else _cell(encode(value))


def _cell(text: str) -> str:
    """Return a text as one cell: in quotes if it has a comma, a quote, or spaces at an end."""
    text = safe(text)
    if _SPECIAL.isdisjoint(text) and text == text.strip():
        return text
    quoted = text.replace('"', '""')
    return f'"{quoted}"'
