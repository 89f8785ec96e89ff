"""Every object, and what libbpf and we say of it: worked out once for all tests of this tier."""

from collections.abc import Mapping

import pytest

from tests.oracle import libbpf, objects
from tests.oracle.comparison import Compared, compare
from tests.oracle.objects import Object


@pytest.fixture(scope="session")
def families(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[Object]]:
    """Every object that can be had here, by family."""
    return objects.make(tmp_path_factory.mktemp("objects"))


@pytest.fixture(scope="session")
def compared(
    families: Mapping[str, list[Object]], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, list[Compared]]:
    """All of them, as libbpf and we see them."""
    if lacking := libbpf.missing():
        pytest.skip(f"not installed: {lacking}")
    folder = tmp_path_factory.mktemp("plain")
    return {family: [compare(one, folder / family) for one in all_] for family, all_ in families.items()}


@pytest.fixture(params=objects.FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    """Each family in turn; one that cannot be had here is skipped with the reason."""
    return _there(request.param)


@pytest.fixture(params=objects.CLANGS)
def clang(request: pytest.FixtureRequest) -> str:
    """Each family but Debian's."""
    return _there(request.param)


def _there(name: str) -> str:
    if lacking := objects.missing(name):
        pytest.skip(lacking)
    return name
