"""Aligned columns for a terminal: widths come from types and names, so they never change while rows run by."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from beepy.events.batch import Batch, Demand, Schema
from beepy.events.decoder import Decoder, View
from beepy.events.fields import Field
from beepy.outputs.file import Rows
from beepy.text import safe

_TIME: Final = "%H:%M:%S"
_TIME_WIDTH: Final = 8


class _Table(NamedTuple):
    """One map's header, the format of its rows after time and map, and the view that fills it."""

    header: str
    row: str
    view: View


class Columns:
    """A header, and one line a row: the time of reading, the map if there are several, the fields.

    With one map the header stands once at the top; with several it comes again whenever
    rows of another shape follow. A text that is wider than its column moves the rest of its own row only.
    """

    def __init__(self, out: Rows) -> None:
        self._out = out
        self._tables: dict[Schema, _Table] = {}
        self._shown = ""  # the header that stands above

    def open(self, schemas: tuple[Schema, ...], demand: Demand) -> None:  # noqa: ARG002 - the stream's timer asks for tables
        """Fix the widths; with one map, write its header."""
        names = max(len("map"), *[len(safe(schema.map)) for schema in schemas]) if len(schemas) > 1 else 0
        self._tables = {schema: _table(schema, names) for schema in schemas}
        if len(schemas) == 1:
            self._head(self._tables[schemas[0]])

    def write(self, batch: Batch) -> None:
        """Write the rows of a batch."""
        if not batch.records:
            return
        table = self._tables[batch.schema]
        self._head(table)
        line = f"{time.strftime(_TIME, time.localtime(batch.time_ns // 1_000_000_000))} {table.row}"
        self._out.rows(line, table.view, batch)

    def close(self) -> None:
        """Do nothing: each batch was written at once."""

    def _head(self, table: _Table) -> None:
        if table.header != self._shown:
            self._out.write(table.header)
            self._shown = table.header


def _table(schema: Schema, names: int) -> _Table:
    """Lay out one map; ``names`` is the width of the map column, 0 for none."""
    decoder = Decoder(schema)
    header, row = ["time".ljust(_TIME_WIDTH)], []
    widths: dict[Field, int] = {}  # of texts, but one at the end
    if names:
        header.append("map".ljust(names))
        row.append(safe(schema.map).ljust(names).replace("%", "%%"))
    for field in decoder.fields:
        name, codec = safe(field.name), field.codec
        width = max(codec.width, len(name))
        if codec.number:
            header.append(name.rjust(width))
            row.append(f"%{width}s")
        else:
            header.append(name.ljust(width))
            row.append("%s")
            widths[field] = width
    if decoder.fields and not decoder.fields[-1].codec.number:  # no blanks at the end of a line
        header[-1] = header[-1].rstrip()
        del widths[decoder.fields[-1]]
    finish = partial(_finish, widths)
    return _Table(" ".join(header) + "\n", " ".join(row) + "\n", decoder.view(decoder.fields, finish, absent=""))


def _finish(widths: Mapping[Field, int], field: Field) -> Callable[[Any], str] | None:
    if field.codec.plain and field.codec.text is str:  # the format makes the digits
        return None
    text = field.codec.text
    if field in widths:
        return partial(_padded, text, widths[field])
    return lambda value: safe(text(value))


def _padded(text: Callable[[Any], str], width: int, value: Any) -> str:  # noqa: ANN401 - any field's value
    shown = safe(text(value))
    return shown.ljust(width) if shown.isascii() else shown + " " * (width - _columns(shown))


def _columns(text: str) -> int:
    """Return how wide a terminal shows it: Chinese takes two columns a character, an accent none."""
    from wcwidth import wcswidth  # noqa: PLC0415 - few texts need it

    return wcswidth(text)
