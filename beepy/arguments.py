"""Arguments of public functions: what is wrong with one, and what is expected instead."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from types import UnionType
from typing import Final

from beepy.errors import UsageError

MAX_PID: Final = 1 << 22  # PID_MAX_LIMIT
MAX_UID: Final = (1 << 32) - 2  # the next one is no user

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


def expect_positive(name: str, value: object, kinds: type | UnionType = int) -> None:
    """Raise TypeError or UsageError for what is no number above 0; None is taken."""
    expect(name, [value], "a number above 0", kinds | None)
    if isinstance(value, int | float) and not value > 0:
        raise wrong_value(name, "a number above 0", value)


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."


def expect(name: str, values: Iterable[object], expected: str, kinds: type | UnionType) -> None:
    """Raise TypeError for the first value that is of no such kind."""
    for value in values:
        if not isinstance(value, kinds):
            raise wrong_type(name, expected, value)


def expect_values(
    name: str, given: Mapping[str, object], mapping: str, value: str, kinds: type | UnionType
) -> None:
    """Raise TypeError for what is no ``mapping``, or has a value of another kind than ``value``."""
    expect(name, [given], mapping, Mapping)
    expect(name, given.values(), value, kinds)


def numbers(name: str, given: int | Sequence[int] | None, least: int, most: int) -> tuple[int, ...]:
    """Return one number or several as several. Raises TypeError and UsageError."""
    expected = "a number above 0, or several" if least else "a number, or several"
    values = () if given is None else (given,) if isinstance(given, int | str) else given
    expect(name, [values], expected, Sequence)
    expect(name, values, expected, int)
    if wrong := [number for number in values if not least <= number <= most]:
        at_most = f"{expected}, up to {most}" if wrong[0] > most else expected
        raise wrong_value(name, at_most, wrong[0])
    return tuple(values)


def listed(name: str, given: str | Sequence[str]) -> Sequence[str]:
    """Return one text or several as several. Raises TypeError."""
    if isinstance(given, str):
        return (given,)
    expect(name, [given], "a text, or several", Sequence)
    expect(name, given, "texts", str)
    return given


def choices(name: str, given: str | Sequence[str]) -> Sequence[str]:
    """Return choices of fields; names that stand alone are one: ``["comm", "ret"]``."""
    texts = listed(name, given)
    alone = [text for text in texts if not {",", ":"} & {*text}]
    return (*[text for text in texts if text not in alone], *([",".join(alone)] if alone else []))
