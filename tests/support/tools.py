"""The tools of libbpf-tools, and the objects that they carry."""

import shutil
from pathlib import Path
from typing import Final

import pytest

from tests.oracle import embedded
from tests.support import apart
from tests.support.command import Running

_SCRIPT: Final = """
[ -e /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing
exec stdbuf -oL "$@"
"""


def need_installed() -> None:
    """Skip the test if the package is not installed."""
    if embedded.missing():
        pytest.skip("libbpf-tools is not installed")


def object_of(name: str, directory: Path) -> str:
    """Write a tool's object to a file, and return its path."""
    need_installed()
    (carried,) = [item for item in embedded.installed() if item.name == name]
    path = directory / f"{name}.o"
    path.write_bytes(carried.data)
    return str(path)


def start(name: str, *options: str) -> Running:
    """Start a tool with tracefs mounted; use it as a context manager."""
    for program in (name, "stdbuf"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    return Running([*apart.command(), "sh", "-ec", _SCRIPT, "sh", name, *options])
