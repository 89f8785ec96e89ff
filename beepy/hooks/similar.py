"""Names that somebody may have meant."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

_SLACK: Final = 4  # characters that two names may differ in length
_ENDS: Final = 3  # characters that they begin or end with alike


def similar(name: str, names: Iterable[str]) -> list[str]:
    """Return the few of many ``names`` (a hundred thousand) that are closest to ``name``, the closest first."""
    near = {
        other
        for other in names
        if abs(len(other) - len(name)) <= _SLACK and (other[:_ENDS] == name[:_ENDS] or other[-_ENDS:] == name[-_ENDS:])
    }
    return get_close_matches(name, sorted(near), cutoff=0.75)


def section(name: str, known: Iterable[str]) -> str:
    """Return the section that was probably meant by the unknown section ``name``, "" if none is similar.

    ``known`` are the names of the section table. ``name`` begins with one of them (``xdp/lo``, ``socket1``), or with
    a misspelled one (``kprob/vfs_read``).
    """
    name = name.removeprefix("?")
    rows = {row.rstrip("+"): row for row in known}
    begun = [prefix for prefix in rows if name.startswith(prefix) and not name[len(prefix) :][:1].isalpha()]
    head, _, target = name.partition("/")
    found = [max(begun, key=len)] if begun else similar(head, rows)
    if not found:
        return ""
    return f"{found[0]}/{target}" if target and rows[found[0]].endswith("+") else found[0]
