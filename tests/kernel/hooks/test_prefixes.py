"""What other loaders accept: sections by their prefix, and programs that are static functions."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.hooks import Target
from tests.support import network
from tests.support.hits import attach, compile_object, hits, loaded
from tests.support.network import Network

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_object("prefixes", tmp_path_factory.mktemp("prefixes"))


@pytest.fixture(scope="module")
def wire() -> Iterator[Network]:
    with network.private() as found:
        yield found


@pytest.mark.parametrize(("name", "row"), [("on_frame", 0), ("on_packet", 1), ("on_xdp", 2)])
def test_what_arrives_at_an_interface(path: Path, wire: Network, name: str, row: int) -> None:
    with loaded(path) as collection:
        target = Target(iface=wire.b, netns=wire.name)
        with attach(collection, name, target):
            wire.send(3)
        assert hits(collection, row) == 3


def test_the_interface_of_a_section(path: Path, wire: Network) -> None:
    with loaded(path) as collection:
        target = collection.target("on_xdp")
        assert target.name == wire.b
        with attach(collection, "on_xdp", target._replace(netns=wire.name)):
            wire.send(2)
        assert hits(collection, 2) == 2


def test_the_event_of_a_section(path: Path) -> None:
    with (
        loaded(path) as collection,
        attach(collection, "on_sample", collection.target("on_sample")),
    ):
        end = time.monotonic() + 30
        while not hits(collection, 3) and time.monotonic() < end:
            sum(range(100_000))
        assert hits(collection, 3)


def test_static_programs(tmp_path: Path) -> None:
    with loaded(compile_object("static_programs", tmp_path)) as collection:
        for name in ("on_exit", "in_one_section"):
            assert collection.programs[name].run(bytes(16)).retval == 0
        assert [hits(collection, row) for row in (0, 1, 2)] == [0, 1, 1]
