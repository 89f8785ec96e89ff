"""Choose the paths at which the maps and programs of an object are pinned."""

import os
import re
from typing import Final, NamedTuple

from beepy.obj.sections import KCONFIG, is_data
from beepy.obj.spec import MapSpec

_BY_NAME: Final = 1  # LIBBPF_PIN_BY_NAME


class Pins(NamedTuple):
    """Directories in a BPF file system, "" for none; ``root`` is that of maps pinned by name."""

    root: str = "/sys/fs/bpf"
    maps: str = ""
    programs: str = ""

    def path(self, spec: MapSpec) -> str:
        """Return the path at which a map is pinned, "" if it is not pinned."""
        if self.maps and not (is_data(spec.section) or spec.section == KCONFIG):
            return os.path.join(self.maps, file_name(spec.name))  # noqa: PTH118 - a text for the kernel
        return os.path.join(self.root, file_name(spec.name)) if spec.pinning == _BY_NAME else ""  # noqa: PTH118


def file_name(name: str) -> str:
    """Return ``name`` as the BPF file system takes it: without dots (as libbpf) or slashes."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:254]
