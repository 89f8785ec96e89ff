"""``--rotate``: when a file is complete and the next one begins."""

import re
from typing import Final, NamedTuple

from beepy.errors import UsageError, worded
from beepy.text import safe
from beepy.units import NANOSECONDS, SIZES

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
    if match and number and match[2] in NANOSECONDS:
        return Rotation(seconds=number * NANOSECONDS[match[2]] // 10**9)
    if match and _MIN_SIZE <= number * SIZES.get(match[2], 0) <= _MAX_SIZE:
        return Rotation(size=number * SIZES[match[2]])
    expected = "expected a size from 4K on, such as 100M, or a time, such as 1h"
    raise UsageError(worded(f"--rotate '{safe(text)}': {expected}"))
