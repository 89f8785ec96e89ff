"""Rows for a pipe or a file: widths come from types and names, and nothing is cut or hidden.

A block of records is the ``%`` format of a row, repeated, filled at once.
"""

from functools import partial
from typing import Any

from beepy.events.batch import Batch
from beepy.events.decoder import Convert, Decoder, View
from beepy.events.fields import Field
from beepy.events.memo import Memo
from beepy.outputs.columns.cells import Cell, cells_of
from beepy.outputs.columns.times import WIDTH, RowTimes
from beepy.outputs.row_writer import RowWriter
from beepy.width import pad, width


class PlainRows:
    """One map's rows: the map's name if there are several, the time, the fields.

    ``name`` is the map's, ``map_width`` the width of the column of names, 0 for none. A value wider
    than its column moves only the rest of its own row. Times are exact, except that of the row.
    """

    def __init__(self, writer: RowWriter, decoder: Decoder, name: str, map_width: int) -> None:
        self._writer = writer
        self._decoder = decoder
        self._times = RowTimes(decoder)
        self._cells = cells_of(decoder, exact=True)
        self._widths = {
            field: max(cell.width, width(cell.name)) for field, cell in self._cells.items()
        }
        self._fields = tuple(self._cells)
        last = self._fields[-1] if self._fields else None
        if last and not self._cells[last].right:  # no blanks at the end of a line
            self._widths[last] = 0
        self._start = name.ljust(map_width).replace("%", "%%") + " " if map_width else ""
        names = [
            pad(cell.name, self._widths[field], right=cell.right)
            for field, cell in self._cells.items()
        ]
        map_heading = ["map".ljust(map_width)] if map_width else []
        self._header = " ".join([*map_heading, "time".ljust(WIDTH), *names]) + "\n"
        self._has_header = False
        formats = [
            f"%{self._widths[field]}s" if cell.right else "%s"
            for field, cell in self._cells.items()
        ]
        self._format = " ".join(["", *formats]) + "\n"
        self._view = decoder.view(self._fields, self._converter)
        self._texts: View | None = None

    def write_header(self) -> None:
        """Write the header, the first time."""
        if not self._has_header:
            self._has_header = True
            self._writer.write(self._header)

    def write(self, batch: Batch) -> None:
        """Write the rows of a batch, and the header above the first."""
        self.write_header()
        time, absent = self._times.common(batch), self._view.absent(batch)
        if time is not None and not absent:
            row_format = f"{self._start}{time}{self._format}"
            self._writer.write_rows(row_format, self._view, batch)
            return
        # Rows that differ in their times, or lack fields, are formatted one at a time.
        if self._texts is None:
            self._texts = self._decoder.view(self._fields, self._text_converter)
        columns = self._texts.columns(batch)
        for position in absent:
            field = self._fields[position]
            columns[position] = [" " * self._widths[field]] * batch.records
        line = f"{self._start}%s{self._format}"
        rows = zip(self._times.texts(batch), *columns, strict=True)
        self._writer.write("".join([line % row for row in rows]))

    def _converter(self, field: Field) -> Convert:
        """Return what makes a field's texts, None for integers, which the format converts."""
        return None if self._cells[field].plain else self._text_converter(field)

    def _text_converter(self, field: Field) -> Convert:
        cell = self._cells[field]
        columns = 0 if cell.right else self._widths[field]  # the format pads on the left
        text = partial(_padded, cell, columns) if columns else cell.text
        return Memo(text).__getitem__ if field.codec.is_plain_int and not cell.right else text


def _padded(cell: Cell, columns: int, value: Any) -> str:  # noqa: ANN401 - any field's value
    text = cell.text(value)
    return text.ljust(columns) if text.isascii() else pad(text, columns, right=False)
