"""Images as a table that fits the terminal."""

from collections.abc import Sequence
from typing import Final

from beepy.oci.store import Entry
from beepy.text import excerpt, safe
from beepy.width import pad, truncate, width

_LEAST_USEFUL: Final = ("DIGEST", "PLATFORM", "CREATED", "SIZE", "BUNDLED", "PARTIAL")
"""The columns that are hidden, from the first on, until a description has ``_ENOUGH`` characters."""

_ENOUGH: Final = 40
_LEAST: Final = 22  # characters for a description, beside the longest name


def table(entries: Sequence[tuple[Entry, bool]], most: int | None) -> tuple[list[str], list[str]]:
    """Return the lines of a table of images, bundled ones as True, and the columns that are hidden to fit ``most``.

    Without a width nothing is hidden or cut. A column of which no image knows anything is left out.
    """
    columns = _columns(entries)
    for name in _LEAST_USEFUL:
        if set(columns[name]) <= {"-"}:
            del columns[name]
    hidden = []
    if most is not None:
        columns["NAME"] = [truncate(name, max(most - _LEAST - 2, 1)) for name in columns["NAME"]]
        wanted = min(_ENOUGH, max(map(width, columns["DESCRIPTION"]), default=0))
        for name in _LEAST_USEFUL:
            if name in columns and _left(columns, most) < wanted:
                hidden.append(name)
                del columns[name]
        columns["DESCRIPTION"] = [truncate(text, max(_left(columns, most), 1)) for text in columns["DESCRIPTION"]]
    rows = zip(*[_column([name, *cells]) for name, cells in columns.items()], strict=True)
    return ["  ".join(row).rstrip() for row in rows], hidden


def descriptions(entries: Sequence[Entry], most: int) -> list[str]:
    """Return a line for each image, its name and description, of at most ``most`` columns."""
    names = _column([safe(entry.name) for entry in entries])
    pairs = zip(names, entries, strict=True)
    return [truncate(f"  {name}  {_line(entry.description)}", most) for name, entry in pairs]


def _columns(entries: Sequence[tuple[Entry, bool]]) -> dict[str, list[str]]:
    """Return the cells of each column, "-" for what is not known; the description is the last column."""
    images = [entry for entry, _ in entries]
    return {
        "NAME": [safe(entry.name) for entry in images],
        "SIZE": ["-" if entry.size is None else _size(entry.size) for entry in images],
        "CREATED": [excerpt(entry.created or "-", 40) for entry in images],
        "PLATFORM": [excerpt(entry.platform or "-", 40) for entry in images],
        "PARTIAL": ["yes" if entry.partial else "-" for entry in images],
        "BUNDLED": ["yes" if bundled else "no" for _, bundled in entries],
        "DIGEST": [entry.digest[:19] for entry in images],
        "DESCRIPTION": [_line(entry.description) for entry in images],
    }


def _line(description: str | None) -> str:
    return safe(" ".join((description or "-").split()))


def _size(size: int) -> str:
    """Return a number of bytes as docker prints it, with three digits."""
    number, unit = float(size), "B"
    for unit in ("B", "kB", "MB"):  # noqa: B007 - the last one stays
        if number < 999.5:
            break
        number /= 1000
    return f"{number:.3g}{unit}"


def _left(columns: dict[str, list[str]], most: int) -> int:
    """Return how much of ``most`` the other columns leave for the description's."""
    others = [[name, *cells] for name, cells in columns.items() if name != "DESCRIPTION"]
    return most - sum(max(map(width, cells)) + 2 for cells in others)


def _column(cells: Sequence[str]) -> list[str]:
    columns = max(map(width, cells), default=0)
    return [pad(cell, columns) for cell in cells]
