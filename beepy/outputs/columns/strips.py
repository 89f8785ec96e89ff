"""The columns of a batch of rows, made ready together: what all rows have in common is asked once."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from beepy.outputs.columns.cells import Cell
from beepy.outputs.columns.layout import Layout
from beepy.text import safe
from beepy.width import ELLIPSIS, pad, truncate, width


class Strip(NamedTuple):
    """What one column of a batch shows: texts that are safe, or integers; ``shared``: one for all rows.

    ``widest`` is how many columns of a terminal the widest value takes. ``simple``: all are ASCII. ``path``: they lose
    their beginning where they do not fit.
    """

    values: Sequence[Any]
    widest: int
    simple: bool = True
    shared: bool = False
    path: bool = False


def shared(text: str) -> Strip:
    """Return the strip of a text that all rows have."""
    return Strip((text,), width(text), simple=text.isascii(), shared=True)


def strip_of(cell: Cell, values: Sequence[Any], most: int | None) -> Strip:
    """Return the strip of a column's values: integers, points in time, or texts that are not yet safe.

    Of texts no more is kept than a line of ``most`` columns can show.
    """
    if cell.plain:
        ends = (min(values), max(values)) if cell.signed else (max(values),)
        return Strip(values, max([len(str(end)) for end in ends]))
    if cell.texts:
        times = cell.texts(values)
        return Strip(times, max(map(len, times)))
    texts, longest = values, max(map(len, values))
    if most is not None and longest > most + 1:
        texts = [_part(text, most + 1, end=cell.path) for text in texts]
        longest = most + 1
    every = "".join(texts)
    if not every.isprintable():
        texts = [safe(text) for text in texts]
        longest = max(map(len, texts))
        every = "".join(texts)
    if every.isascii():
        return Strip(texts, longest, path=cell.path)
    return Strip(texts, max(map(width, texts)), simple=False, path=cell.path)


def _part(text: str, count: int, *, end: bool) -> str:
    """Return so many characters of a longer text, which are too wide for the line; some scripts' have no width."""
    if len(text) <= count:
        return text
    if end:
        return text[-count:] if text.isascii() else ELLIPSIS + text[-count:]
    return text[:count] if text.isascii() else text[:count] + ELLIPSIS


def joined(strips: Sequence[Strip], right: Sequence[bool], layout: Layout, records: int, most: int | None) -> list[str]:
    """Return the lines of the rows: one format has all columns whose values fit as they are.

    ``most`` is the width of a line; without it no value is cut.
    """
    formats, columns = [], []
    last = layout.shown[-1:]
    for at, columns_wide in zip(layout.shown, layout.widths, strict=True):
        strip = strips[at]
        values = strip.values
        if strip.simple and (most is None or strip.widest <= columns_wide):
            form = f"%{columns_wide}s" if right[at] else "%s" if (at,) == last else f"%-{columns_wide}s"
        else:
            texts = [str(value) for value in values]
            cut = texts if most is None else [truncate(text, columns_wide, start=strip.path) for text in texts]
            values = [pad(text, columns_wide, right=right[at]) for text in cut]
            form = "%s"
        if strip.shared:
            formats.append((form % values[0]).replace("%", "%%"))
        else:
            formats.append(form)
            columns.append(values)
    row = " ".join(formats)
    rows = zip(*columns, strict=True) if columns else [()] * records
    lines = [(row % values).rstrip() for values in rows]
    if most is not None and sum(layout.widths) + len(layout.widths) - 1 > most:  # there is no room for all
        return [truncate(line, most) for line in lines]
    return lines
