"""Every object, and what libbpf and we say of it: worked out once for all tests of this tier."""

import pytest

from tests.oracle import libbpf, newest, objects
from tests.oracle.comparison import Families


@pytest.fixture(scope="session")
def families(tmp_path_factory: pytest.TempPathFactory) -> Families:
    """Every object that can be had here."""
    return Families(tmp_path_factory.mktemp("objects"))


@pytest.fixture(scope="session")
def compared(families: Families) -> Families:
    """The same, where libbpf can be asked."""
    if lacking := libbpf.missing() or newest.missing():
        pytest.skip(lacking)
    return families


@pytest.fixture(params=objects.FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    """Each family in turn; one that cannot be had here is skipped with the reason."""
    return _there(request.param)


@pytest.fixture(params=objects.CLANGS)
def clang(request: pytest.FixtureRequest) -> str:
    """Each family of ours."""
    return _there(request.param)


def _there(name: str) -> str:
    if lacking := objects.missing(name):
        pytest.skip(lacking)
    return name
