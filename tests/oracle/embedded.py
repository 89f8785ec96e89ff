"""The BPF objects that Debian's libbpf-tools carry: each stands whole in the .rodata of its binary."""

import hashlib
import shutil
import struct
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

PACKAGE: Final = "libbpf-tools"
LEAST: Final = 52  # distinct ones, as in Debian 12

_MAGIC: Final = b"\x7fELF\x02\x01\x01"  # 64 bits, little endian, version 1
_EM_BPF: Final = 247
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_NOBITS: Final = 8


class Embedded(NamedTuple):
    """An object, named as the first tool that carries it."""

    name: str
    data: bytes


def missing() -> str:
    """Return what is not installed, "" if the objects can be read."""
    return "" if shutil.which("dpkg") and _binaries() else PACKAGE


@cache
def objects() -> tuple[Embedded, ...]:
    """Return the distinct objects, by name."""
    found: dict[str, Embedded] = {}
    for binary in _binaries():
        for number, data in enumerate(_cut(binary.read_bytes())):
            name = f"{binary.name}-{number}" if number else binary.name
            found.setdefault(hashlib.sha256(data).hexdigest(), Embedded(name, data))
    return tuple(sorted(found.values()))


def _binaries() -> list[Path]:
    done = subprocess.run(["dpkg", "-L", PACKAGE], capture_output=True, text=True, check=False)
    paths = (Path(line) for line in done.stdout.splitlines())
    return sorted(path for path in paths if path.parent.name == "sbin" and path.is_file() and not path.is_symlink())


def _cut(binary: bytes) -> Iterator[bytes]:
    at = binary.find(_MAGIC, 1)
    while at >= 0:
        if len(binary) - at >= _HEADER.size:
            _, _, machine, _, _, _, table, _, _, _, _, size, count, _ = _HEADER.unpack_from(binary, at)
            if machine == _EM_BPF and size == _SECTION.size:
                end = table + size * count
                headers = _SECTION.iter_unpack(binary[at + table : at + end])
                ends = [offset + length for _, kind, _, _, offset, length, *_ in headers if kind != _NOBITS]
                yield binary[at : at + max(end, *ends)]
        at = binary.find(_MAGIC, at + 1)
