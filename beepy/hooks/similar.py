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
