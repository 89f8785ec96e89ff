"""Every type of map: what libbpf creates of an object we create of it, with the same properties."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from beepy.collection.load import load
from beepy.errors import BeepyError
from beepy.obj.parse import parse
from beepy.uapi import MapFlag
from bpf import build
from tests.oracle import bullseye, libbpf, objects, pinned

NAMES = ("maps_all", "maps_values", "maps_kptr", "maps_absent", "slots", "data")

# bpffs is mounted in a private mount namespace: it goes, with every pin
_SCRIPT = """
mount -t bpf bpf /sys/fs/bpf && mkdir /sys/fs/bpf/maps &&
bpftool prog loadall "$1" /sys/fs/bpf/programs pinmaps /sys/fs/bpf/maps >&2 && exec "$2" "$3" /sys/fs/bpf/maps
"""


@pytest.fixture(scope="module", params=[family for family in objects.FAMILIES if family != objects.DEBIAN])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    if lacking := libbpf.missing() or objects.missing(request.param):
        pytest.skip(lacking)
    clang = bullseye.clang()[0] if request.param == bullseye.NAME else request.param
    return build.objects(tmp_path_factory.mktemp("maps"), clang, NAMES)


def theirs(path: Path) -> dict[str, dict[str, int]] | None:
    """Return what libbpf makes of the object; None if it or the kernel refuses it."""
    script = Path(pinned.__file__)
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _SCRIPT]
    root = {"PYTHONPATH": str(build.SOURCES.parent), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(
        [*command, "sh", str(path), sys.executable, str(script)], capture_output=True, check=False, env=root, timeout=60
    )
    if done.returncode:
        return None
    found: dict[str, dict[str, int]] = json.loads(done.stdout)
    return {_name(name): properties for name, properties in found.items()}


def _name(pin: str) -> str:
    """Return the map's name in our spelling: libbpf calls a section of data ``object.rodata``, the pin has no dots."""
    for section in ("rodata", "data", "bss", "kconfig"):
        if f"_{section}" in pin and not pin.startswith(("global", "static")):
            return f".{section}{pin.partition(f'_{section}')[2].replace('_', '.')}"
    return pin


@pytest.mark.parametrize("name", NAMES)
def test_libbpf_creates_the_same_maps(name: str, made: dict[str, Path]) -> None:
    expected = theirs(made[name])
    try:
        with load(parse(made[name].read_bytes(), name)) as collection:
            ours = {one: pinned.known(created) for one, created in collection.maps.items()}
    except BeepyError:
        ours = None
    for section, properties in (expected or {}).items():
        if section.startswith(".") and ours and not ours[section]["map_flags"] & MapFlag.MMAPABLE:
            # only static variables: 4fcac46c7e10 ("libbpf: only add BPF_F_MMAPABLE flag for data maps with global
            # vars", libbpf 1.1), which the bpftool of Linux 6.1 does not have yet
            properties["map_flags"] &= ~MapFlag.MMAPABLE
    assert ours == expected
    assert (expected is None) == (name == "maps_absent")
