"""The architectures that programs are compiled for: the names that each thing has for them."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

INCLUDE: Final = Path(__file__).with_name("include")
"""The headers that every source finds."""


class Architecture(NamedTuple):
    """One architecture.

    ``machine`` is uname's name, ``define`` libbpf's (``__TARGET_ARCH_``). Probes read the struct
    ``registers``, which has ``member`` in this architecture's kernels.
    """

    machine: str
    define: str
    registers: str
    member: str

    @property
    def header(self) -> Path:
        """The header that defines ``registers``."""
        return INCLUDE / f"registers_{self.define}.h"


ARCHITECTURES: Final[Mapping[str, Architecture]] = MappingProxyType(
    {
        "amd64": Architecture("x86_64", "x86", registers="pt_regs", member="di"),
        "arm64": Architecture("aarch64", "arm64", registers="user_pt_regs", member="regs[31]"),
    }
)
"""By OCI's name (GOARCH)."""
