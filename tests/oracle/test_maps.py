"""Every type of map: what libbpf creates of an object we create of it, with the same properties."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from beepy.collection.load import load
from beepy.errors import BeepyError
from beepy.obj.parse import parse
from bpf import build
from tests.oracle import newest, pinned
from tests.oracle.comparison import Families
from tests.support import apart

NAMES = ("maps_all", "maps_values", "maps_kptr", "maps_absent", "slots", "data")

# bpffs is mounted in a private mount namespace: it goes, with every pin
_SCRIPT = """
mount -t bpf bpf /sys/fs/bpf && mkdir /sys/fs/bpf/maps &&
"$1" prog loadall "$2" /sys/fs/bpf/programs pinmaps /sys/fs/bpf/maps >&2 &&
exec "$3" "$4" /sys/fs/bpf/maps
"""


def theirs(path: Path) -> dict[str, dict[str, int]] | None:
    """Return what libbpf makes of the object; None if it or the kernel refuses it."""
    script = Path(pinned.__file__)
    command = [*apart.command(), "sh", "-c", _SCRIPT]
    root = {"PYTHONPATH": str(build.SOURCES.parent), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    asked = ["sh", str(newest.bpftool()), str(path), sys.executable, str(script)]
    done = subprocess.run(
        [*command, *asked], capture_output=True, check=False, env=root, timeout=60
    )
    if done.returncode:
        return None
    found: dict[str, dict[str, int]] = json.loads(done.stdout)
    return {_name(name): properties for name, properties in found.items()}


def _name(pin: str) -> str:
    """Return the map's name as beepy spells it.

    libbpf calls the map of a data section ``object.rodata``, and its pin has no dots.
    """
    for section in ("rodata", "data", "bss", "kconfig"):
        if f"_{section}" in pin and not pin.startswith(("global", "static")):
            return f".{section}{pin.partition(f'_{section}')[2].replace('_', '.')}"
    return pin


@pytest.mark.parametrize("name", NAMES)
def test_libbpf_creates_the_same_maps(name: str, clang: str, compared: Families) -> None:
    path = compared.named(clang)[name]
    expected = theirs(path)
    try:
        with load(parse(path.read_bytes(), name)) as collection:
            ours = {one: pinned.known(created) for one, created in collection.maps.items()}
    except BeepyError:
        ours = None
    assert ours == expected
    assert (expected is None) == (name == "maps_absent")
