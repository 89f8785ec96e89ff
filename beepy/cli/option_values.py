"""Parse the values of options: one of several names, whole numbers, shares, durations."""

import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from beepy.errors import UsageError
from beepy.text import safe
from beepy.units import NANOSECONDS, SIZES

_MAX_SECONDS: Final = 999_999_999_999
_DURATION: Final = r"([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s|m|h|)"


def one_of(option: str, names: Iterable[str]) -> Callable[[str], str]:
    """Return a parser that accepts only ``names`` and raises UsageError for other texts.

    typer's own choices are a Literal, which cannot be derived from a table.
    """
    choices = tuple(names)

    def parse(text: str) -> str:
        if text not in choices:
            quoted = ", ".join([f"'{choice}'" for choice in choices])
            raise UsageError(f"invalid value for {option}: '{safe(text)}' is not one of {quoted}")
        return text

    return parse


def whole_number(option: str, minimum: int, maximum: int | None = None) -> Callable[[str], int]:
    """Return a parser for a number within these bounds; it raises UsageError for other texts."""
    bounds = f"from {minimum} on" if maximum is None else f"from {minimum} to {maximum}"

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = minimum - 1
        if value < minimum or (maximum is not None and value > maximum):
            raise UsageError(f"{option} '{safe(text)}': expected a whole number {bounds}")
        return value

    return parse


def factor(option: str) -> Callable[[str], float]:
    """Return a parser for a number above 0 such as ``10x`` or ``0.5``; it raises UsageError."""

    def parse(text: str) -> float:
        match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)x?", text.strip())
        if not match or not float(match[1]):
            raise UsageError(f"{option} '{safe(text)}': expected a number above 0, such as 10x")
        return float(match[1])

    return parse


def size(option: str, minimum: int) -> Callable[[str], int]:
    """Return a parser for a number of bytes such as ``64M``; it raises UsageError."""

    def parse(text: str) -> int:
        match = re.fullmatch(r"([0-9]{1,9})([KMG]?)", text.strip(), re.ASCII)
        value = int(match[1]) * SIZES.get(match[2], 1) if match else 0
        if value < minimum:
            least = f"from {minimum >> 10}K on"
            raise UsageError(f"{option} '{safe(text)}': expected a size {least}, such as 64M")
        return value

    return parse


class Bound(NamedTuple):
    """A share of a CPU; ``shed``: over it, programs run for some threads only."""

    share: float
    shed: bool


def bound(option: str) -> Callable[[str], Bound]:
    """Return a parser for a share of a CPU in percent; it raises UsageError for other texts.

    ``2%`` is 0.02, ``150%`` one CPU and a half; ``2%:shed`` sheds.
    """

    def parse(text: str) -> Bound:
        match = re.fullmatch(r"([0-9]{1,6}(?:\.[0-9]{1,6})?)%(:shed)?", text.strip())
        if not match or not (percent := float(match[1])):
            raise UsageError(
                f"{option} '{safe(text)}': expected a percentage of one CPU above 0, such as 2%"
            )
        return Bound(percent / 100, shed=bool(match[2]))

    return parse


def seconds(option: str, text: str) -> float:
    """Parse a duration such as ``10s``, ``1.5m`` or ``200ms``; a plain number is in seconds.

    Raise UsageError for 0, for other texts, and above 999,999,999,999 seconds.
    """
    match = re.fullmatch(_DURATION, text.strip())
    value = float(match[1]) * NANOSECONDS[match[2] or "s"] / 1e9 if match else 0
    if not value:
        raise UsageError(
            f"{option} '{safe(text)}': expected a duration above 0, such as 10s, 500ms or 2m"
        )
    if value > _MAX_SECONDS:
        raise UsageError(f"{option} '{safe(text)}': expected a duration of at most {_MAX_SECONDS}s")
    return value
