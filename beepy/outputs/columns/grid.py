"""Format rows of texts under headings, fitted to a width."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from beepy.outputs.columns.cells import Cell
from beepy.outputs.columns.layout import Column, ColumnLayout, Rank, fit, rank_of
from beepy.outputs.columns.panel import Drawing, Place
from beepy.width import pad, truncate, width

EMPTY_VALUES: Final = frozenset(("", 0, "0", "false"))
"""A column that has only these values is hidden early."""


class Heading(NamedTuple):
    """The heading of a column; ``right``: aligned to the right. ``min_width`` is the column's."""

    name: str
    right: bool
    rank: Rank
    min_width: int = 0


def headings_of(cells: Sequence[Cell]) -> list[Heading]:
    """Return the headings of a record's fields."""
    names = {cell.name for cell in cells}
    return [Heading(cell.name, cell.right, _rank(cell, names)) for cell in cells]


def _rank(cell: Cell, names: set[str]) -> Rank:
    if cell.duration:
        return Rank.KEPT
    return rank_of(cell.name, names, right=cell.right, time=cell.time)


def hidden_line(hidden: Sequence[tuple[str, Sequence[str]]], max_width: int | None) -> list[str]:
    """Return the line that names the hidden (map or "", columns); [] if there are none."""
    texts = [f"{name} {', '.join(columns)}".lstrip() for name, columns in hidden if columns]
    names = "; ".join(texts)
    if not names:
        return []
    advice = " (-o wide shows all)"
    if max_width is None:
        return [f"hidden: {names}{advice}"]
    names = truncate(names, max(max_width - len("hidden: ") - len(advice), 1))
    return [truncate(f"hidden: {names}{advice}", max_width)]


def format_row(
    texts: Sequence[str], headings: Sequence[Heading], layout: ColumnLayout, max_width: int | None
) -> str:
    """Return a row's line; texts wider than their column are cut, and the line at ``max_width``."""
    padded = [
        pad(truncate(texts[position], columns), columns, right=headings[position].right)
        for position, columns in zip(layout.shown, layout.widths, strict=True)
    ]
    line = " ".join(padded).rstrip()
    return line if max_width is None else truncate(line, max_width)


def format_grid(
    headings: Sequence[Heading], rows: Sequence[Sequence[str]], max_width: int | None
) -> list[str]:
    """Return the lines of a grid: the hidden columns, the headings, the rows."""
    return draw_grid(headings, rows, max_width).lines


def draw_grid(
    headings: Sequence[Heading], rows: Sequence[Sequence[str]], max_width: int | None
) -> Drawing:
    """Return the same with the places of the names of the columns."""
    columns = []
    for position, heading in enumerate(headings):
        texts = [row[position] for row in rows]
        rank = heading.rank
        if rows and rank is not Rank.KEPT and EMPTY_VALUES.issuperset(texts):
            rank = Rank.EMPTY
        wanted = max(width(heading.name), *[width(text) for text in texts], heading.min_width)
        columns.append(Column(heading.name, heading.right, wanted, rank))
    layout = fit(columns, max_width)
    names = [heading.name for heading in headings]
    hidden = hidden_line([("", layout.hidden)], max_width)
    lines = [format_row(texts, headings, layout, max_width) for texts in (names, *rows)]
    places = tuple(_places(headings, layout, len(hidden)))
    return Drawing([*hidden, *lines], (len(hidden),), places)


def _places(headings: Sequence[Heading], layout: ColumnLayout, line: int) -> Iterator[Place]:
    start = 0
    for position, columns in zip(layout.shown, layout.widths, strict=True):
        name = truncate(headings[position].name, columns)
        padded = pad(name, columns, right=headings[position].right)
        begin = start + (len(padded) - len(name) if headings[position].right else 0)
        yield Place(line, begin, begin + len(name), position)
        start += len(padded) + 1


def quantity(count: int, singular: str, plural: str = "") -> str:
    """Return ``1 event``, ``2 events``; the default of ``plural`` adds an s."""
    return f"{count} {singular if count == 1 else plural or f'{singular}s'}"


def more_line(count: int, noun: str = "") -> list[str]:
    """Return the line that counts what is not shown, [] for 0."""
    return [f"... {count} more {noun}".rstrip()] if count > 0 else []
