"""The command, and the objects of bpf/ and bpf/test/."""

import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from bpf import build
from tests.writers import pids
from tests.writers.command import Beepy
from tests.writers.compiled import need, objects

ObjectOf = Callable[[str], str]
"""A source of bpf/ or bpf/test/ by name, or C text -> the path of its object."""


@pytest.fixture
def beepy(tmp_path: Path) -> Beepy:
    home = tmp_path / "home"
    home.mkdir()
    return Beepy(home)


@pytest.fixture
def same_pids() -> None:
    """For tests that compare what programs tell with the numbers of other processes."""
    pids.need_the_same()


@pytest.fixture(scope="session")
def object_of(tmp_path_factory: pytest.TempPathFactory) -> ObjectOf:
    """Compile a source of ours by name."""
    folder = tmp_path_factory.mktemp("objects")

    @cache
    def compiled(name: str) -> str:
        return str(objects(folder, [name])[name])

    return compiled


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> ObjectOf:
    """Compile C text, which may include what stands in bpf/."""
    folder = tmp_path_factory.mktemp("compiled")

    @cache
    def compiled(text: str) -> str:
        path = folder / f"{abs(hash(text)):x}.o"
        flags = ["-target", "bpf", "-O2", "-g", "-mcpu=v3", f"-I{build.SOURCES}", "-I/usr/include/x86_64-linux-gnu"]
        subprocess.run([need(), *flags, "-x", "c", "-c", "-o", path, "-"], input=text.encode(), check=True)
        return str(path)

    return compiled
