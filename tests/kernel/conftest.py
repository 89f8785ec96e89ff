"""The command, and the objects of bpf/ and bpf/test/."""

import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from bpf import build
from tests.writers.command import Beepy

ObjectOf = Callable[[str], str]


@pytest.fixture
def beepy(tmp_path: Path) -> Beepy:
    home = tmp_path / "home"
    home.mkdir()
    return Beepy(home)


@pytest.fixture(scope="session")
def object_of(tmp_path_factory: pytest.TempPathFactory) -> ObjectOf:
    """Compile a source of ours by name; return the object's path."""
    folder = tmp_path_factory.mktemp("objects")

    @cache
    def compiled(name: str) -> str:
        if not shutil.which(build.CLANG):
            pytest.skip(f"{build.CLANG} is not installed")
        return str(build.objects(folder, build.CLANG, (name,))[name])

    return compiled
