"""Iterators that write structs: several programs of one, and one run for each network namespace."""

import ctypes
import os
import socket
from collections.abc import Iterator

import pytest

from beepy import conventions
from beepy.collection.load import load
from beepy.errors import KernelError
from beepy.events.decoder import Decoder
from beepy.obj.parse import parse
from beepy.obj.spec import CollectionSpec
from beepy.streams import stream
from beepy.uapi import CLONE_NEWNET
from tests.support import compiled

pytestmark = pytest.mark.kernel


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> CollectionSpec:
    folder = tmp_path_factory.mktemp("snap")
    data = compiled.objects(folder, ["gadget_snap"])["gadget_snap"].read_bytes()
    return conventions.apply(parse(data, "snap"), "gadget")


def ports(spec: CollectionSpec) -> list[object]:
    """Return the ports of TCP sockets in one reading."""
    found: list[object] = []
    with load(spec) as collection, stream(collection) as events:
        events.open()
        events.stop()
        for batch in events:
            if batch.schema.map == "sockets":
                decoder = Decoder(batch.schema)
                found += decoder.values(batch, decoder.fields)[0]
    return found


def test_two_streams_of_one_collection_have_readers_of_their_own(spec: CollectionSpec) -> None:
    with load(spec) as collection, stream(collection) as one, stream(collection) as other:
        names = [schema.map for schema in one.schemas]
        assert sorted(names) == ["sockets", "tasks"]
        assert [schema.map for schema in other.schemas] == names
        for events in (one, other):
            events.stop()
            finals = [batch.schema.map for batch in events if batch.final]
            assert sorted(finals) == ["sockets", "tasks"]


@pytest.fixture
def elsewhere() -> Iterator[int]:
    """Yield the port of a TCP socket in a network namespace of its own, which a process is in."""
    ready, told = os.pipe()
    end, ended = os.pipe()
    if not (child := os.fork()):
        if ctypes.CDLL(None).unshare(CLONE_NEWNET):
            os._exit(1)
        server = socket.socket(socket.AF_INET6)
        server.bind(("", 0))
        server.listen()
        os.write(told, server.getsockname()[1].to_bytes(2, "little"))
        os.close(ended)
        os.read(end, 1)
        os._exit(0)
    port = int.from_bytes(os.read(ready, 2), "little")
    yield port
    os.close(ended)
    os.waitpid(child, 0)
    for number in (ready, told, end):
        os.close(number)


def test_sockets_of_other_network_namespaces_are_shown(
    spec: CollectionSpec, elsewhere: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        found = ports(spec)
        assert found.count(server.getsockname()[1]) == 1
    assert found.count(elsewhere) == 1


def test_output_that_is_no_whole_record(spec: CollectionSpec) -> None:
    assert spec.btf
    tasks = spec.iterator_records["tasks"]
    event = spec.iterator_records["tcp"].record  # of 4 bytes: those of tasks have 24
    wrong = {**spec.iterator_records, "tasks": tasks._replace(record=event)}
    longer = {**spec.iterator_records, "tcp": tasks, "udp": tasks}
    with load(spec._replace(iterator_records=wrong)) as collection, stream(collection) as events:
        events.stop()
        assert sum([batch.records for batch in events if batch.schema.map == "tasks"]) % 6 == 0
    with load(spec._replace(iterator_records=longer)) as collection, stream(collection) as events:
        events.stop()
        with (
            socket.create_server(("127.0.0.1", 0)),
            pytest.raises(KernelError, match="bytes at the end: expected records of 24 bytes"),
        ):
            list(events)
