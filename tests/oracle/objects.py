"""The objects that are held against libbpf: Debian's, and ours by every clang that is installed."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from bpf import build
from tests.oracle import bullseye, embedded

DEBIAN: Final = "debian"
CLANGS: Final[Mapping[str, int]] = {f"clang-{version}": version for version in (11, 14, 16, 19)}
_TYPES: Final = 12  # the first clang that can ask for types and enumerators
_OF_TYPES: Final = {
    "ambiguous",
    "calls",
    "enums",
    "idents",
    "refused_enum",
    "refused_offset",
    "refused_size",
    "refused_typedef",
}
_MCPU_V4: Final = 18  # the first clang that stores a constant by one instruction (ST), if asked for -mcpu=v4
FAMILIES: Final = (DEBIAN, *CLANGS)


class Object(NamedTuple):
    """An object file; ``family``: DEBIAN, or the clang that made it."""

    family: str
    name: str
    path: Path

    def __str__(self) -> str:
        return f"{self.family}/{self.name}"


def missing(family: str) -> str:
    """Return why the family cannot be had here, "" if it can."""
    if family == DEBIAN:
        lacking = embedded.missing()
        return f"not installed: {lacking}" if lacking else ""
    if not shutil.which("llvm-strip"):
        return "not installed: llvm-strip"
    if family == bullseye.NAME:
        return bullseye.clang()[1]
    return "" if shutil.which(family) else f"not installed: {family}"


def make(folder: Path) -> dict[str, list[Object]]:
    """Write every object that can be had below ``folder``; return them by family."""
    return {family: list(_family(family, folder / family)) for family in FAMILIES if not missing(family)}


def _family(family: str, folder: Path) -> Iterator[Object]:
    folder.mkdir(parents=True)
    if family == DEBIAN:
        for one in embedded.objects():
            path = folder / f"{one.name}.o"
            path.write_bytes(one.data)
            yield Object(family, one.name, path)
        return
    clang = bullseye.clang()[0] if family == bullseye.NAME else family
    unfit = {name for name in build.sources() if name.startswith("new_")}  # Debian 12's libbpf knows no such section
    unfit |= {f"core_{name}" for name in _OF_TYPES} if CLANGS[family] < _TYPES else set()
    for name, path in build.objects(folder, clang, sorted(build.sources().keys() - unfit)).items():
        yield Object(family, name, path)
    if CLANGS[family] >= _MCPU_V4:
        yield Object(family, "core_stores_v4", _newest(family, folder))


def _newest(clang: str, folder: Path) -> Path:
    source, target = build.SOURCES / "test" / "core_stores.bpf.c", folder / "core_stores_v4.o"
    command = [clang, "-target", "bpf", "-mcpu=v4", "-O2", "-g", "-c", str(source), "-o", str(target)]
    subprocess.run(command, check=True)
    return target
