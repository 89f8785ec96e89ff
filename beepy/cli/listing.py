"""Images as a table that fits the terminal."""

from collections.abc import Sequence
from typing import Final

from beepy.oci.descriptor import quote
from beepy.oci.store import Entry
from beepy.text import safe

_LEAST_USEFUL: Final = ("DIGEST", "PLATFORM", "CREATED", "SIZE", "BUNDLED", "PARTIAL")
"""The columns that are hidden, from the first on, until a description has ``_ENOUGH`` characters."""

_ENOUGH: Final = 40
_LEAST: Final = 22  # characters for a description, beside the longest name


def table(entries: Sequence[tuple[Entry, bool]], width: int | None) -> tuple[list[str], list[str]]:
    """Return the lines of a table of images, bundled ones as True, and the columns that are hidden to fit ``width``.

    Without a width nothing is hidden or cut. A column of which no image knows anything is left out.
    """
    columns = _columns(entries)
    for name in _LEAST_USEFUL:
        if set(columns[name]) <= {"-"}:
            del columns[name]
    hidden = []
    if width is not None:
        columns["NAME"] = [cut(name, max(width - _LEAST - 2, 1)) for name in columns["NAME"]]
        wanted = min(_ENOUGH, max(map(_cells, columns["DESCRIPTION"]), default=0))
        for name in _LEAST_USEFUL:
            if name in columns and _left(columns, width) < wanted:
                hidden.append(name)
                del columns[name]
        columns["DESCRIPTION"] = [cut(text, max(_left(columns, width), 1)) for text in columns["DESCRIPTION"]]
    rows = zip(*[_padded([name, *cells]) for name, cells in columns.items()], strict=True)
    return ["  ".join(row).rstrip() for row in rows], hidden


def descriptions(entries: Sequence[Entry], width: int) -> list[str]:
    """Return a line for each image, its name and description, of at most ``width`` characters."""
    names = _padded([safe(entry.name) for entry in entries])
    pairs = zip(names, entries, strict=True)
    return [cut(f"  {name}  {_line(entry.description)}", width) for name, entry in pairs]


def cut(text: str, width: int) -> str:
    """Return as much of a text as a terminal shows in ``width`` columns, with an ellipsis for the rest."""
    if _cells(text) <= width:
        return text
    while text and _cells(text) >= width:
        text = text[:-1] if len(text) <= width else text[:width]
    return f"{text}…"


def _columns(entries: Sequence[tuple[Entry, bool]]) -> dict[str, list[str]]:
    """Return the cells of each column, "-" for what is not known; the description is the last column."""
    images = [entry for entry, _ in entries]
    return {
        "NAME": [safe(entry.name) for entry in images],
        "SIZE": ["-" if entry.size is None else _size(entry.size) for entry in images],
        "CREATED": [quote(entry.created or "-", 40) for entry in images],
        "PLATFORM": [quote(entry.platform or "-", 40) for entry in images],
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


def _left(columns: dict[str, list[str]], width: int) -> int:
    """Return how much of ``width`` the other columns leave for the description's."""
    others = [[name, *cells] for name, cells in columns.items() if name != "DESCRIPTION"]
    return width - sum(max(map(_cells, cells)) + 2 for cells in others)


def _padded(cells: Sequence[str]) -> list[str]:
    width = max(map(_cells, cells), default=0)
    return [cell + " " * (width - _cells(cell)) for cell in cells]


def _cells(text: str) -> int:
    """Return how many columns of a terminal a text takes: Chinese takes two a character, an accent none."""
    if text.isascii():
        return len(text)
    from wcwidth import wcswidth  # noqa: PLC0415 - few texts need it

    return max(wcswidth(text), 0)
