"""``--rotate``: when a file is complete and the next one begins."""

import re
from typing import Final, NamedTuple

from beepy.errors import UsageError, worded
from beepy.text import safe

_SIZES: Final = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_TIMES: Final = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}
_MIN_SIZE: Final = 4096
_MAX_SIZE: Final = 1 << 50


class Rotation(NamedTuple):
    """A file ends when it has ``size`` bytes, or after ``seconds``; 0: that does not matter."""

    size: int = 0
    seconds: int = 0


def rotation(text: str) -> Rotation:
    """Return what --rotate asks for: ``100M`` or ``1h``. Raises UsageError."""
    match = re.fullmatch(r"([0-9]{1,9})([KMGsmhd])", text.strip(), re.ASCII)
    number = int(match[1]) if match else 0
    if match and number and match[2] in _TIMES:
        return Rotation(seconds=number * _TIMES[match[2]])
    if match and _MIN_SIZE <= number * _SIZES.get(match[2], 0) <= _MAX_SIZE:
        return Rotation(size=number * _SIZES[match[2]])
    expected = "expected a size from 4K on, such as 100M, or a time, such as 1h"
    raise UsageError(worded(f"--rotate '{safe(text)}': {expected}"))
