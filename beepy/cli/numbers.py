"""Whole numbers on the command line."""

from collections.abc import Callable

from beepy.errors import UsageError
from beepy.text import safe


def whole(option: str, least: int, most: int | None = None) -> Callable[[str], int]:
    """Return what reads the number that is given to ``option``; it raises UsageError for any other text."""
    bounds = f"from {least} on" if most is None else f"from {least} to {most}"

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least or (most is not None and value > most):
            raise UsageError(f"{option} '{safe(text)}': expected a whole number {bounds}")
        return value

    return number
