"""Rows of texts under one head, fitted to a width: what is counted, and tables as they are now."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from beepy.outputs.columns.cells import Cell
from beepy.outputs.columns.layout import Column, Layout, Rank, fit, rank
from beepy.width import pad, truncate, width

NOTHING: Final = frozenset(("", 0, "0", "false"))
"""What cells of a column hold that is hidden early."""


class Head(NamedTuple):
    """The head of a column; ``rank`` is how useful it is, ``right`` where its values stand, ``least`` its width."""

    name: str
    right: bool
    rank: Rank
    least: int = 0


def heads_of(cells: Sequence[Cell]) -> list[Head]:
    """Return the heads of the columns of a record's fields."""
    names = {cell.name for cell in cells}
    ranks = [Rank.KEPT if cell.duration else rank(cell.name, names, right=cell.right, time=cell.time) for cell in cells]
    return [Head(cell.name, cell.right, how) for cell, how in zip(cells, ranks, strict=True)]


def hidden_line(hidden: Sequence[tuple[str, Sequence[str]]], most: int | None) -> list[str]:
    """Return the line that names what is hidden of each (map, columns), if anything is; a map may be ""."""
    names = "; ".join([f"{name} {', '.join(columns)}".lstrip() for name, columns in hidden if columns])
    if not names:
        return []
    advice = " (-o wide shows all)"
    if most is None:
        return [f"hidden: {names}{advice}"]
    names = truncate(names, max(most - len("hidden: ") - len(advice), 1))
    return [truncate(f"hidden: {names}{advice}", most)]


def line(cells: Sequence[str], heads: Sequence[Head], layout: Layout, most: int | None) -> str:
    """Return one row's line, at most ``most`` wide: what is wider than its column is cut."""
    made = [
        pad(truncate(cells[at], columns), columns, right=heads[at].right)
        for at, columns in zip(layout.shown, layout.widths, strict=True)
    ]
    text = " ".join(made).rstrip()
    return text if most is None else truncate(text, most)


def grid(heads: Sequence[Head], rows: Sequence[Sequence[str]], most: int | None) -> list[str]:
    """Return the lines of a whole grid: what is hidden, the head, the rows."""
    columns = []
    for at, head in enumerate(heads):
        cells = [row[at] for row in rows]
        rank = Rank.EMPTY if rows and head.rank is not Rank.KEPT and NOTHING.issuperset(cells) else head.rank
        wanted = max(width(head.name), *[width(cell) for cell in cells], head.least)
        columns.append(Column(head.name, head.right, wanted, rank))
    layout = fit(columns, most)
    names = [head.name for head in heads]
    return [*hidden_line([("", layout.hidden)], most), *[line(cells, heads, layout, most) for cells in (names, *rows)]]


def counted(count: int, one: str, several: str = "") -> str:
    """Return ``1 event``, ``2 events``."""
    return f"{count} {one if count == 1 else several or f'{one}s'}"


def more(count: int, what: str = "") -> list[str]:
    """Return the line for what there is no room for."""
    return [f"... {count} more {what}".rstrip()] if count > 0 else []
