"""The command line imports nothing heavy before it is needed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEAVY = {
    *("oras", "pyroute2", "prometheus_client", "textual", "rich", "numpy", "requests"),
    *("cryptography", "sigstore", "tomllib"),
}


def imported(*arguments: str, depth: int = 1) -> set[str]:
    """Return the packages that ``beepy ARGUMENTS`` imports; names are cut to ``depth`` parts."""
    command = [sys.executable, "-X", "importtime", "-m", "beepy", *arguments]
    ran = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return {
        ".".join(name.split(".")[:depth])
        for name in re.findall(r"^import time:.*\| +(\S+)$", ran.stderr, re.MULTILINE)
    }


@pytest.mark.parametrize(
    "arguments", [[], ["--version"], ["--help"], ["run", "--help"], ["list"]], ids=" ".join
)
def test_nothing_heavy_is_imported(arguments: list[str]) -> None:
    packages = imported(*arguments)
    assert {"beepy", "typer"} <= packages
    assert not packages & HEAVY


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"]], ids=" ".join)
def test_help_needs_no_records_types_or_kernel(arguments: list[str]) -> None:
    rooms = imported(*arguments, depth=2)
    assert "beepy.outputs" in rooms
    assert not rooms & {"beepy.events", "beepy.btf", "beepy.obj", "beepy.kernel", "beepy.sys"}
