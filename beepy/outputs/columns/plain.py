"""Rows without a width, for a pipe or a file: widths come from types and names, and nothing is cut or hidden.

A block of records is one ``%`` over the format of a row repeated.
"""

from functools import partial
from typing import Any

from beepy.events.batch import Batch
from beepy.events.decoder import Convert, Decoder, Memo, View
from beepy.events.fields import Field
from beepy.outputs.columns.cells import Cell, cells
from beepy.outputs.columns.times import WIDTH, Times
from beepy.outputs.row_writer import RowWriter
from beepy.width import pad, width


class Plain:
    """One map's rows: the map's name if there are several, the time, the fields.

    ``names`` is the width of the column of names, 0 for none.
    A value that is wider than its column moves the rest of its own row only. Nothing is cut: points in time are exact,
    but that of the row.
    """

    def __init__(self, decoder: Decoder, name: str, names: int) -> None:
        self._decoder = decoder
        self._times = Times(decoder)
        self._cells = cells(decoder.fields, exact=True)
        self._widths = {field: max(cell.width, width(cell.name)) for field, cell in self._cells.items()}
        last = decoder.fields[-1] if decoder.fields else None
        if last and not self._cells[last].right:  # no blanks at the end of a line
            self._widths[last] = 0
        self._before = name.ljust(names).replace("%", "%%") + " " if names else ""
        heads = [pad(cell.name, self._widths[field], right=cell.right) for field, cell in self._cells.items()]
        start = ["map".ljust(names)] if names else []
        self.header = " ".join([*start, "time".ljust(WIDTH), *heads]) + "\n"
        formats = [f"%{self._widths[field]}s" if cell.right else "%s" for field, cell in self._cells.items()]
        self._row = " ".join(["", *formats]) + "\n"
        self._view = decoder.view(decoder.fields, self._finish)
        self._texts: View | None = None

    def write(self, out: RowWriter, batch: Batch) -> None:
        """Write the rows of a batch."""
        time, absent = self._times.common(batch), self._view.absent(batch)
        if time is not None and not absent:
            out.write_rows(f"{self._before}{time}{self._row}", self._view, batch)
            return
        if self._texts is None:
            self._texts = self._decoder.view(self._decoder.fields, self._text)
        columns = self._texts.columns(batch)
        for at in absent:
            columns[at] = [" " * self._widths[self._decoder.fields[at]]] * batch.records
        line = f"{self._before}%s{self._row}"
        out.write("".join([line % row for row in zip(self._times.each(batch), *columns, strict=True)]))

    def _finish(self, field: Field) -> Convert:
        return None if self._cells[field].plain else self._text(field)  # the format makes the digits

    def _text(self, field: Field) -> Convert:
        cell = self._cells[field]
        columns = 0 if cell.right else self._widths[field]  # the format pads numbers
        text = partial(_padded, cell, columns) if columns else cell.text
        return Memo(text).__getitem__ if field.codec.is_plain_int and not cell.right else text


def _padded(cell: Cell, columns: int, value: Any) -> str:  # noqa: ANN401 - any field's value
    text = cell.text(value)
    return text.ljust(columns) if text.isascii() else pad(text, columns, right=False)
