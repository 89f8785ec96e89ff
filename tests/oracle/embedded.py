"""The BPF objects that Debian's packages carry: as files, or whole in the .rodata of a binary.

Those of the packages that are installed here, and those of newer suites, which are fetched and only
unpacked.
"""

import hashlib
import mmap
import shutil
import struct
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from functools import cache as once
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from tests.vm import cache
from tests.vm.apt import Apt, Unavailable

TOOLS: Final = "libbpf-tools"
LEAST: Final = 52  # distinct objects of those tools in Debian 12

FETCHED: Final[Mapping[str, tuple[str, ...]]] = {
    "trixie": (
        *(
            TOOLS,
            "systemd",
            "libsystemd-shared",
            "systemd-container",
            "xdp-tools",
            "libxdp1",
            "xdp-tests",
        ),
        *(
            "ir-keytable",
            "libbpftune0",
            "mimic",
            "opensnitch-ebpf-modules",
            "pwru",
            "bpftop",
            "libknot15",
        ),
        *("golang-github-cilium-ebpf-dev", "suricata", "oar-common"),
    ),
    "sid": (
        *(
            TOOLS,
            "libsystemd-shared",
            "systemd-container",
            "udev-hid-bpf",
            "bpfilter",
            "network-manager",
        ),
        *("nsd", "rsched", "rtc-testbench", "suricata"),
    ),
}
"""Suite -> packages with objects; packages that the suite no longer has are skipped."""

# installed ones are looked through if they are among these or depend on libbpf
_LOOKED_THROUGH: Final = {
    "bpftool",
    "bpftrace",
    "iproute2",
    "linux-perf",
    *sum(FETCHED.values(), ()),
}

_MAGIC: Final = b"\x7fELF\x02\x01\x01"  # 64 bits, little endian, version 1
# ET_REL, EM_BPF, EV_CURRENT, which follow the 16 bytes of e_ident.
_RELOCATABLE: Final = struct.pack("<HHI", 1, 247, 1)
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_NOBITS: Final = 8


class Embedded(NamedTuple):
    """An object, named as the first file that carries it."""

    package: str
    name: str
    data: bytes


def missing() -> str:
    """Return what is not installed, "" if the tools are."""
    return "" if shutil.which("dpkg") and list(_files(TOOLS)) else TOOLS


@once
def installed() -> tuple[Embedded, ...]:
    """Return the distinct objects of what is installed."""
    seen: set[bytes] = set()
    return tuple(
        [one for package in _packages() for one in _distinct(package, _files(package), seen)]
    )


@once
def lacking(suite: str) -> str:
    """Return why a suite's objects are not to be had, "" if they are."""
    try:
        _folder(suite)
    except Unavailable as error:
        return str(error)
    return ""


@once
def fetched(suite: str) -> tuple[Embedded, ...]:
    """Return the distinct objects of a suite. Raises Unavailable."""
    found = sorted(_folder(suite).glob("*/*.o"))
    return tuple([Embedded(path.parent.name, path.stem, path.read_bytes()) for path in found])


def _folder(suite: str) -> Path:
    return cache.kept(
        f"objects-{suite}-amd64", lambda root, new: _fetch(Apt(root, (suite,), "amd64"), suite, new)
    )


def _fetch(apt: Apt, suite: str, new: Path) -> None:
    there = set(apt.names(""))
    seen: set[bytes] = set()
    for package in FETCHED[suite]:
        if package in there:
            with TemporaryDirectory() as folder:
                apt.unpack_all([package], Path(folder))
                (new / package).mkdir()
                for one in _distinct(package, sorted(Path(folder).rglob("*")), seen):
                    (new / package / f"{one.name}.o").write_bytes(one.data)


def _packages() -> list[str]:
    command = ["dpkg-query", "--show", "--showformat", "${Package}\t${Depends}\n"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [line.partition("\t") for line in told.splitlines()]
    return sorted(
        {name for name, _, needed in rows if name in _LOOKED_THROUGH or "libbpf" in needed}
    )


def _files(package: str) -> Iterator[Path]:
    done = subprocess.run(
        ["dpkg-query", "--listfiles", package], capture_output=True, text=True, check=False
    )
    for line in sorted(done.stdout.splitlines()):
        yield Path(line)


def _distinct(package: str, files: Iterable[Path], seen: set[bytes]) -> Iterator[Embedded]:
    """Yield the objects that are not among ``seen``, the hashes of others."""
    names: set[str] = set()
    for path in files:
        for number, data in enumerate(_cut(path)):
            key = hashlib.sha256(data).digest()
            if key not in seen:
                seen.add(key)
                name = f"{path.stem}-{number}" if number else path.stem
                while name in names:
                    name += "+"
                names.add(name)
                yield Embedded(package, name, data)


def _cut(path: Path) -> Iterator[bytes]:
    if not path.is_file() or path.is_symlink() or path.stat().st_size < _HEADER.size:
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as binary:
        at = -1
        while (at := binary.find(_RELOCATABLE, at + 1)) >= 0:
            start = max(at - 16, 0)
            if binary[start : start + len(_MAGIC)] == _MAGIC:
                yield _object(binary, start)


def _object(binary: mmap.mmap, start: int) -> bytes:
    _, _, _, _, _, _, table, _, _, _, _, _, count, _ = _HEADER.unpack_from(binary, start)
    end = table + _SECTION.size * count
    headers = _SECTION.iter_unpack(binary[start + table : start + end])
    ends = [offset + length for _, kind, _, _, offset, length, *_ in headers if kind != _NOBITS]
    return binary[start : start + max(end, *ends)]
