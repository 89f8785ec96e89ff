"""Read a large file of sysfs: the kernel's types."""

import mmap
import os
from pathlib import Path
from typing import Final

from beepy.sys.fd import Fd

_MAX_SIZE: Final = 256 << 20  # bytes; vmlinux has 6 MB of types


def contents(path: str | Path) -> bytes | mmap.mmap:
    """Return the contents of a sysfs file, mapped into memory if possible. Raises OSError.

    The kernel's types can be mapped since v6.16 ("btf: Allow mmap of vmlinux btf"). Unlike an
    ordinary file, such a file cannot be truncated, so reading the mapping cannot end with SIGBUS.
    """
    with Fd(os.open(path, os.O_RDONLY | os.O_CLOEXEC)) as fd:
        try:
            return mmap.mmap(fd.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
        except (OSError, ValueError):
            with open(fd.fileno(), "rb", closefd=False) as file:
                return file.read(_MAX_SIZE)
