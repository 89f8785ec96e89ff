"""Format images as a table that fits the terminal."""

from collections.abc import Sequence
from typing import Final

from beepy.oci.store import Entry
from beepy.text import excerpt, safe
from beepy.width import pad, truncate, width

_HIDEABLE: Final = ("DIGEST", "PLATFORM", "CREATED", "SIZE", "BUNDLED", "PARTIAL")
"""The columns that may be hidden, the least useful first."""

_WANTED: Final = 40  # columns of a terminal for the description: others are hidden for it
_MIN_DESCRIPTION: Final = 22  # the same: names are truncated for it


def table(
    entries: Sequence[tuple[Entry, bool]], max_width: int | None
) -> tuple[list[str], list[str]]:
    """Return the lines of a table of images, and the columns hidden to fit ``max_width``.

    Each entry comes with whether it is bundled. Without a width nothing is hidden or truncated. A
    column that is unknown for all images is omitted.
    """
    columns = _columns(entries)
    for name in _HIDEABLE:
        if set(columns[name]) <= {"-"}:
            del columns[name]
    hidden = []
    if max_width is not None:
        columns["NAME"] = [
            truncate(name, max(max_width - _MIN_DESCRIPTION - 2, 1)) for name in columns["NAME"]
        ]
        wanted = min(_WANTED, max(map(width, columns["DESCRIPTION"]), default=0))
        for name in _HIDEABLE:
            if name in columns and _room(columns, max_width) < wanted:
                hidden.append(name)
                del columns[name]
        columns["DESCRIPTION"] = [
            truncate(text, max(_room(columns, max_width), 1)) for text in columns["DESCRIPTION"]
        ]
    rows = zip(*[_padded([name, *cells]) for name, cells in columns.items()], strict=True)
    return ["  ".join(row).rstrip() for row in rows], hidden


def descriptions(entries: Sequence[Entry], max_width: int) -> list[str]:
    """Return a line for each image, its name and description, of at most ``max_width`` columns."""
    names = _padded([safe(entry.name) for entry in entries])
    pairs = zip(names, entries, strict=True)
    return [truncate(f"  {name}  {_line(entry.description)}", max_width) for name, entry in pairs]


def _columns(entries: Sequence[tuple[Entry, bool]]) -> dict[str, list[str]]:
    """Return the cells of each column, "-" where unknown; the description is the last column."""
    images = [entry for entry, _ in entries]
    return {
        "NAME": [safe(entry.name) for entry in images],
        "SIZE": ["-" if entry.size is None else size_text(entry.size) for entry in images],
        "CREATED": [excerpt(entry.created or "-", 40) for entry in images],
        "PLATFORM": [excerpt(entry.platform or "-", 40) for entry in images],
        "PARTIAL": ["yes" if entry.partial else "-" for entry in images],
        "BUNDLED": ["yes" if bundled else "no" for _, bundled in entries],
        "DIGEST": [entry.digest[:19] for entry in images],
        "DESCRIPTION": [_line(entry.description) for entry in images],
    }


def _line(description: str | None) -> str:
    return safe(" ".join((description or "-").split()))


def size_text(size: int) -> str:
    """Format a size in bytes as docker does, with three digits."""
    number, unit = float(size), "B"
    for unit in ("B", "kB", "MB"):  # noqa: B007 - larger sizes are in MB
        if number < 999.5:
            break
        number /= 1000
    return f"{number:.3g}{unit}"


def _room(columns: dict[str, list[str]], max_width: int) -> int:
    """Return how much of ``max_width`` the other columns leave for the description."""
    others = [[name, *cells] for name, cells in columns.items() if name != "DESCRIPTION"]
    return max_width - sum(max(map(width, cells)) + 2 for cells in others)


def _padded(cells: Sequence[str]) -> list[str]:
    columns = max(map(width, cells), default=0)
    return [pad(cell, columns) for cell in cells]
