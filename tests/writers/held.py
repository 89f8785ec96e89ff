"""Maps, programs and links that processes hold, by the kernel's numbers, and whether the kernel still has them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.writers.scrape import until

KINDS = ("map", "prog", "link")

Number = tuple[str, int]


def held(pid: int) -> set[Number]:
    """Return what descriptors of the process refer to."""
    found = set()
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        try:
            lines = info.read_text("ascii", "replace").splitlines()
        except FileNotFoundError:  # our own look at the folder
            continue
        for line in lines:
            name, _, value = line.partition(":")
            if name.removesuffix("_id") in KINDS and name.endswith("_id"):
                found.add((name.removesuffix("_id"), int(value)))
    return found


def alive() -> set[Number]:
    """Return all that the kernel has."""
    bpftool = shutil.which("bpftool")
    if not bpftool:
        pytest.skip("bpftool is not installed")
    found = set()
    for kind in KINDS:
        listed = subprocess.run([bpftool, "-j", kind, "list"], check=True, capture_output=True).stdout
        found |= {(kind, int(one["id"])) for one in json.loads(listed or "[]")}
    return found


def wait_for_end(numbers: set[Number]) -> None:
    """Wait until the kernel has let go of them all: it frees some after a grace period."""
    until(lambda: numbers & alive(), lambda left: not left)
