"""Options whose value is one of some names."""

from collections.abc import Callable, Iterable

from beepy.errors import UsageError
from beepy.text import safe


def one_of(option: str, names: Iterable[str]) -> Callable[[str], str]:
    """Return what takes one of ``names`` for ``option``; it raises UsageError for any other text.

    The names come from a table, which typer's own choices (a Literal) cannot be made of.
    """
    known = tuple(names)

    def name(text: str) -> str:
        if text not in known:
            listed = ", ".join([f"'{one}'" for one in known])
            raise UsageError(f"invalid value for {option}: '{safe(text)}' is not one of {listed}")
        return text

    return name
