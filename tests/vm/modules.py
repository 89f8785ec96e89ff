"""A kernel's modules, as a guest is given them: unpacked, in the order in which it inserts them."""

import lzma
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.vm.cpio import Entry
from tests.vm.kernels import MODULES, Fetched

FOLDER: Final = "/modules"
_FILE: Final = 0o100644


def entries(fetched: Fetched) -> Iterator[Entry]:
    """Yield the files of those that the kernel has."""
    found = fetched.modules
    for number, name in enumerate(MODULES):
        if name in found:
            yield Entry(f"{FOLDER}/{number}-{name}.ko", _FILE, _unpacked(found[name]))


def _unpacked(path: Path) -> bytes:
    data = path.read_bytes()
    match path.suffix:
        case ".xz":
            return lzma.decompress(data)
        case ".zst":
            return subprocess.run(
                ["zstd", "-dcq"], check=True, input=data, capture_output=True
            ).stdout
        case _:
            return data
