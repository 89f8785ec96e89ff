"""The texts of a batch's columns, made a column at a time, and joined to lines."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from beepy.outputs.columns.cells import Cell
from beepy.outputs.columns.layout import ColumnLayout
from beepy.text import safe
from beepy.width import ELLIPSIS, pad, truncate, width


class TextColumn(NamedTuple):
    """A column of a batch: safe texts, or integers; if ``shared``, one for all rows.

    ``widest`` is the width of the widest value on a terminal. ``ascii``: all values are ASCII.
    ``path``: they are cut at their beginning.
    """

    values: Sequence[Any]
    widest: int
    ascii: bool = True
    shared: bool = False
    path: bool = False


def shared_column(text: str) -> TextColumn:
    """Return the column of a text that all rows have."""
    return TextColumn((text,), width(text), ascii=text.isascii(), shared=True)


def text_column(cell: Cell, values: Sequence[Any], max_width: int | None) -> TextColumn:
    """Return the column of values: integers, points in time, or texts that are not yet safe.

    Texts are shortened to what a line of ``max_width`` can show.
    """
    if cell.plain:
        ends = (min(values), max(values)) if cell.signed else (max(values),)
        return TextColumn(values, max([len(str(end)) for end in ends]))
    if cell.texts:
        times = cell.texts(values)
        return TextColumn(times, max(map(len, times)))
    texts, longest = values, max(map(len, values))
    if max_width is not None and longest > max_width + 1:
        texts = [_shorten(text, max_width + 1, keep_end=cell.path) for text in texts]
        longest = max_width + 1
    # One look at all texts together: in most columns none needs safe() or a width of its own.
    joined = "".join(texts)
    if not joined.isprintable():
        texts = [safe(text) for text in texts]
        longest = max(map(len, texts))
        joined = "".join(texts)
    if joined.isascii():
        return TextColumn(texts, longest, path=cell.path)
    return TextColumn(texts, max(map(width, texts)), ascii=False, path=cell.path)


def _shorten(text: str, count: int, *, keep_end: bool) -> str:
    """Return ``count`` characters of a longer text, its beginning, or its end (``keep_end``).

    An ASCII text of that many is wider than the line, and is cut again with an ellipsis. Others may
    be narrower, as some characters have no width: they get the ellipsis here.
    """
    if len(text) <= count:
        return text
    if keep_end:
        return text[-count:] if text.isascii() else ELLIPSIS + text[-count:]
    return text[:count] if text.isascii() else text[:count] + ELLIPSIS


def join_rows(
    columns: Sequence[TextColumn],
    right: Sequence[bool],
    layout: ColumnLayout,
    records: int,
    max_width: int | None,
) -> list[str]:
    """Return the lines of ``records`` rows: one ``%`` format aligns all columns that fit.

    ``right``: the columns that are aligned to the right. Without ``max_width`` no value is cut.
    """
    formats, unshared = [], []
    last = layout.shown[-1] if layout.shown else None
    for position, column_width in zip(layout.shown, layout.widths, strict=True):
        column = columns[position]
        values = column.values
        if column.ascii and (max_width is None or column.widest <= column_width):
            if right[position]:
                value_format = f"%{column_width}s"
            else:
                value_format = "%s" if position == last else f"%-{column_width}s"
        else:  # the format counts characters, not their widths, and cuts nothing
            values = _fit(column, column_width, right=right[position], cut=max_width is not None)
            value_format = "%s"
        if column.shared:
            formats.append((value_format % values[0]).replace("%", "%%"))
        else:
            formats.append(value_format)
            unshared.append(values)
    row_format = " ".join(formats)
    rows = zip(*unshared, strict=True) if unshared else [()] * records
    lines = [(row_format % values).rstrip() for values in rows]
    line_width = sum(layout.widths) + len(layout.widths) - 1
    if max_width is not None and line_width > max_width:  # it has no room for all columns
        return [truncate(line, max_width) for line in lines]
    return lines


def _fit(column: TextColumn, column_width: int, *, right: bool, cut: bool) -> list[str]:
    """Return the values of a column padded, and if ``cut`` truncated, to its width."""
    texts = [str(value) for value in column.values]
    if cut:
        texts = [truncate(text, column_width, start=column.path) for text in texts]
    return [pad(text, column_width, right=right) for text in texts]
