"""The command, and the objects of bpf/ and bpf/test/."""

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from beepy.host import cgroups
from tests.support import pids
from tests.support.command import Beepy
from tests.support.compiled import compile_text, objects

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


@pytest.fixture
def group() -> Iterator[Path]:
    """A cgroup of v2, in which tests may create others."""
    root = cgroups.root()
    if not root:
        pytest.skip("cgroup v2 is not mounted")
    made = Path(root) / f"beepy-test-{os.getpid()}"
    made.mkdir()
    yield made
    for directory in sorted(made.rglob("*"), reverse=True):
        if directory.is_dir():
            directory.rmdir()
    made.rmdir()


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
    """Compile C text, which may include files of bpf/ and ``maps.h`` of tests/support."""
    folder = tmp_path_factory.mktemp("compiled")

    @cache
    def compiled(text: str) -> str:
        return str(compile_text(folder, text))

    return compiled
