"""Durations on the command line: ``10s``, ``1.5m``, ``200ms``; a plain number counts seconds."""

import re
from typing import Final

from beepy.errors import UsageError
from beepy.text import safe

_MOST: Final = 999_999_999_999  # seconds
_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s|m|h|)")


def seconds(option: str, text: str) -> float:
    """Return the seconds that ``text``, given to ``option``, means. Raises UsageError unless it is in bounds."""
    found = _DURATION.fullmatch(text.strip())
    if not found or not (value := float(found[1]) * _UNITS[found[2]]):
        raise UsageError(f"{option} '{safe(text)}': expected a duration above 0, such as 10s, 500ms or 2m")
    if value > _MOST:
        raise UsageError(f"{option} '{safe(text)}': expected a duration of at most {_MOST}s")
    return value
