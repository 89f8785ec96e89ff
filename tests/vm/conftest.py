"""Kernels and their guests, and the tables at the end."""

import shutil
from collections.abc import Iterator

import pytest

from bpf import build
from tests.vm import kernels
from tests.vm.apt import Unavailable
from tests.vm.checks import TABLE
from tests.vm.guests import Guest, Guests
from tests.vm.kernels import Fetched, Kernel

_GUESTS = pytest.StashKey[Guests]()


@pytest.fixture(scope="session", params=kernels.TABLE, ids=str)
def kernel(request: pytest.FixtureRequest) -> Kernel:
    """Each kernel in turn."""
    found: Kernel = request.param
    return found


@pytest.fixture(scope="session")
def fetched(kernel: Kernel) -> Fetched:
    """That kernel, on this disk."""
    try:
        return kernels.fetch(kernel)
    except Unavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def guests(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Guests]:
    """Yield a guest for each kernel that the selected tests use; all start at the first use."""
    folder = tmp_path_factory.mktemp("vm")
    objects = None
    if (clang := build.compiler()) and shutil.which("llvm-strip"):
        objects = folder / "objects"
        build.objects(
            objects, clang, names=sorted({name for check in TABLE for name in check.objects})
        )
    booted = request.config.stash[_GUESTS] = Guests(
        _asked_for(request.session.items), objects, folder
    )
    yield booted
    booted.close()
    shutil.rmtree(folder)


@pytest.fixture
def guest(kernel: Kernel, guests: Guests) -> Guest:
    """The guest of that kernel, once it has ended."""
    try:
        return guests.of(kernel)
    except Unavailable as error:
        pytest.skip(str(error))


def _asked_for(items: list[pytest.Item]) -> dict[Kernel, list[str]]:
    """Return the kernels that are asked for, each with the names of the checks."""
    functions = [item for item in items if isinstance(item, pytest.Function)]
    calls = [
        item.callspec
        for item in functions
        if {"guest", "kernel", "check"} <= set(item.fixturenames)
    ]
    asked = {
        kernel: [str(call.params["check"]) for call in calls if call.params["kernel"] is kernel]
        for kernel in (*reversed(kernels.TABLE), kernels.HERE)  # what takes longest begins
    }
    return {kernel: checks for kernel, checks in asked.items() if checks}


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the tables."""
    if booted := config.stash.get(_GUESTS, None):
        for title, lines in (("kernels", booted.checks()), ("ways to attach", booted.kinds())):
            terminalreporter.section(title)
            for line in lines:
                terminalreporter.line(line)
