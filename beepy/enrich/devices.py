"""Names of block devices by their numbers (/proc/partitions)."""

from pathlib import Path
from typing import Final

_PARTITIONS: Final = Path("/proc/partitions")


def name(major: int, minor: int, partitions: Path = _PARTITIONS) -> str:
    """Return the name of a block device such as ``sda1``, "" if there is none of these numbers.

    ::

        major minor  #blocks  name

         254        0   67108864 vda
    """
    try:
        lines = partitions.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    numbers = [str(major), str(minor)]
    for line in lines:
        fields = line.split()
        if len(fields) == 4 and fields[:2] == numbers:
            return fields[3]
    return ""
