"""The objects that are compared with libbpf: Debian's, and ours by every available clang."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from bpf import build
from tests.oracle import bullseye, embedded
from tests.oracle.embedded import Embedded

DEBIAN: Final = "debian"  # what is installed here
SUITES: Final = tuple(embedded.FETCHED)
IMAGES: Final = "images"  # what is shipped
CLANGS: Final[Mapping[str, int]] = {f"clang-{version}": version for version in (11, 14, 16, 19)}
FAMILIES: Final = (DEBIAN, *SUITES, *CLANGS)

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
# They use results of atomic operations and tags of declarations, which the same clang added.
_NEWER: Final = {"killed", "contexts", "tags"}
# The first clang that stores a constant by one instruction (ST), if asked for -mcpu=v4.
_MCPU_V4: Final = 18


class Object(NamedTuple):
    """An object file; ``family``: DEBIAN, a suite, IMAGES, or a clang.

    An object of a package is called PACKAGE/FILE.
    """

    family: str
    name: str
    path: Path

    def __str__(self) -> str:
        return f"{self.family}/{self.name}"

    @property
    def ours(self) -> bool:
        """Whether it may follow bee's conventions."""
        return self.family in (*CLANGS, IMAGES)


class Made(NamedTuple):
    """A family's objects, and what the compiler said."""

    objects: list[Object]
    warnings: str


def missing(family: str) -> str:
    """Return why the family cannot be had here, "" if it can."""
    if family == DEBIAN:
        lacking = embedded.missing()
        return f"not installed: {lacking}" if lacking else ""
    if family in SUITES:
        return embedded.lacking(family)
    if not shutil.which("llvm-strip"):
        return "not installed: llvm-strip"
    if family == bullseye.NAME:
        return bullseye.clang()[1]
    return "" if shutil.which(family) else f"not installed: {family}"


def make(family: str, folder: Path) -> Made:
    """Write the family's objects into ``folder``."""
    folder.mkdir()
    if family in CLANGS:
        return _compiled(family, folder)
    found = embedded.installed() if family == DEBIAN else embedded.fetched(family)
    return Made([_written(family, one, folder) for one in found], "")


def _written(family: str, one: Embedded, folder: Path) -> Object:
    path = folder / f"{one.package}-{one.name}.o"
    path.write_bytes(one.data)
    return Object(family, f"{one.package}/{one.name}", path)


def _compiled(family: str, folder: Path) -> Made:
    clang = bullseye.clang()[0] if family == bullseye.NAME else family
    names = set(build.sources())
    if CLANGS[family] < _TYPES:
        names -= {f"core_{name}" for name in _OF_TYPES} | _NEWER
    told = _run(
        [sys.executable, build.__file__, "objects", folder, *sorted(names), "--clang", clang]
    )
    objects = [Object(family, name, folder / f"{name}.o") for name in sorted(names)]
    if CLANGS[family] >= _MCPU_V4:
        source, target = build.SOURCES / "test" / "core_stores.bpf.c", folder / "core_stores_v4.o"
        told += _run([clang, "-target", "bpf", "-mcpu=v4", "-O2", "-g", "-c", source, "-o", target])
        objects.append(Object(family, "core_stores_v4", target))
    return Made(objects, told)


def _run(command: Iterable[str | Path]) -> str:
    """Return what a compiler says."""
    environment = {**os.environ, "PYTHONPATH": str(build.SOURCES.parent)}
    ended = subprocess.run([*command], check=False, env=environment, capture_output=True, text=True)
    assert not ended.returncode, ended.stderr
    return ended.stderr
