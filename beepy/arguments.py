"""Arguments of public functions: what is wrong with one, and what is expected instead.

Nothing here runs while arguments are right: the functions that need it import it on the way to an
error.
"""

from collections.abc import Collection, Iterable
from typing import Final

from beepy.errors import UsageError

_SHOWN: Final = 60  # characters of a value in a message


def wrong_type(name: str, expected: str, value: object) -> TypeError:
    """Return the error for an argument of a type that is not taken."""
    return TypeError(f"{name}: expected {expected}, got {_shown(value)}")


def wrong_value(name: str, expected: str, value: object) -> UsageError:
    """Return the error for a value that is not taken."""
    return UsageError(f"{name}: expected {expected}, got {_shown(value)}")


def no_choice(name: str, choices: Iterable[str], value: object) -> UsageError:
    """Return the error for a value that is none of the choices."""
    *most, last = map(repr, choices)
    return wrong_value(name, f"{', '.join(most)} or {last}", value)


def expect_known(name: str, names: Iterable[str], known: Collection[str]) -> None:
    """Raise UsageError for the first of ``names`` that is not among ``known``."""
    for item in names:
        if item not in known:
            raise wrong_value(name, f"{', '.join(sorted(known)) or 'none'}", item)


def expect_seconds(name: str, value: object) -> None:
    """Raise TypeError or UsageError for what is no time of at least 0."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong_type(name, "a number of seconds", value)
    if not value >= 0:
        raise wrong_value(name, "at least 0 seconds", value)


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
