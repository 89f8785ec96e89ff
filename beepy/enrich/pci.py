r"""Names of PCI devices, from the file pci.ids of the package of that name.

::

    8086  Intel Corporation              vendor
    \t100e  82540EM Gigabit Ethernet     device of the vendor above
    C 02  Network controller             class
    \t00  Ethernet controller            subclass of the class above
"""

import re
from functools import cache
from pathlib import Path
from typing import Final

from beepy.events.label_decoders import PciNames

PATHS: Final = ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids")
_MAX_SIZE: Final = 16 << 20
_LINE: Final = re.compile(r"(C )?([0-9a-f]{2,4})  (.+)")


@cache
def names(paths: tuple[str, ...] = PATHS) -> PciNames | None:
    """Return the names in the first of ``paths`` that can be read, None if none can."""
    for path in paths:
        try:
            with Path(path).open("rb") as file:
                return parse(file.read(_MAX_SIZE).decode("utf-8", "replace"))
        except OSError:
            continue
    return None


def parse(text: str) -> PciNames:
    """Return the names in the text of pci.ids."""
    vendors: dict[str, str] = {}
    devices: dict[str, str] = {}
    classes: dict[str, str] = {}
    subclasses: dict[str, str] = {}
    parent, below = "", devices
    for line in text.splitlines():
        match = _LINE.fullmatch(line.lstrip("\t"))
        depth = len(line) - len(line.lstrip("\t"))
        if not match or depth > 1:
            continue
        if depth:
            below[parent + match[2]] = match[3].strip()
        else:
            top, below = (classes, subclasses) if match[1] else (vendors, devices)
            parent = match[2]
            top[parent] = match[3].strip()
    return PciNames(vendors, devices, classes, subclasses)
