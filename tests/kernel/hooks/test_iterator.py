"""Iterators on this kernel: of tasks, of one process, of a map's entries."""

import os
from pathlib import Path

import pytest

from beepy.collection.load import load
from beepy.errors import AttachError
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.hooks import Target, iterator
from beepy.obj.parse import parse
from beepy.obj.programs import only
from beepy.obj.spec import CollectionSpec
from beepy.streams import stream
from tests.support import compiled, pids
from tests.support.allowed import allowed


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> CollectionSpec:
    made = compiled.objects(tmp_path_factory.mktemp("iter"), ("iter",))["iter"]
    return parse(made.read_bytes(), "iter")


@pytest.fixture(scope="module")
def of_tasks(whole: CollectionSpec) -> CollectionSpec:
    return only([whole], ["tasks"])[0]


@pytest.fixture(scope="module")
def of_a_map(whole: CollectionSpec) -> CollectionSpec:
    """All but the tasks."""
    names = [program.name for program in whole.programs if program.name != "tasks"]
    return allowed(only([whole], names)[0])


def lines(batches: list[Batch]) -> list[str]:
    found = []
    for batch in batches:
        decoder = Decoder(batch.schema)
        found += [str(text) for text in decoder.values(batch, decoder.fields)[0]]
    return found


def read(spec: CollectionSpec, program: str, **targets: Target) -> list[str]:
    with load(spec, targets=targets) as collection, stream(collection) as events:
        collection.attach()
        events.stop()
        return lines([batch for batch in events if batch.schema.map == program])


def test_all_tasks(of_tasks: CollectionSpec) -> None:
    name = Path("/proc/self/comm").read_text().strip()
    assert f"{pids.seen()} {name}" in read(of_tasks, "tasks")


@pytest.mark.usefixtures("same_pids")
def test_the_tasks_of_one_process(of_tasks: CollectionSpec) -> None:
    found = read(of_tasks, "tasks", tasks=Target("task", pid=os.getpid()))
    threads = [path.name for path in Path("/proc/self/task").iterdir()]
    assert sorted(line.partition(" ")[0] for line in found) == sorted(threads)


def test_the_entries_of_a_map(of_a_map: CollectionSpec) -> None:
    with load(of_a_map) as collection, stream(collection) as events:
        collection.maps["numbers"].update((1).to_bytes(4, "little"), (7).to_bytes(8, "little"))
        events.stop()
        batches = [batch for batch in events if batch.schema.map == "elements"]
    assert lines(batches) == ["0=0", "1=7", "2=0"]
    assert [batch.final for batch in batches] == [*[False] * (len(batches) - 1), True]


def test_a_million_objects_without_a_line(of_a_map: CollectionSpec) -> None:
    size = 1_100_000  # after 1,000,000 the kernel answers EAGAIN
    numbers = tuple(
        [one._replace(max_entries=size) if one.name == "numbers" else one for one in of_a_map.maps]
    )
    large = of_a_map._replace(
        maps=numbers, programs=tuple([one for one in of_a_map.programs if one.name == "nonzero"])
    )
    with load(large) as collection, stream(collection) as events:
        collection.maps["numbers"].update(
            (size - 1).to_bytes(4, "little"), (7).to_bytes(8, "little")
        )
        events.stop()
        assert lines(list(events)) == [f"{size - 1}=7"]


def test_a_line_without_end(monkeypatch: pytest.MonkeyPatch, of_tasks: CollectionSpec) -> None:
    texts = [b"a" * 1024, b"b" * 1000, b"c" * 2000 + b"\nd", b"\n"]
    with load(of_tasks) as collection:
        reader = iterator.reader(collection.programs["tasks"], Target("task"), of_tasks)
        monkeypatch.setattr(reader, "_chunk", lambda *_: texts.pop(0) if texts else b"")
        batches = list(reader.read())
    text = "a" * 1024 + "b" * 1000 + "c" * 2000
    assert [batch.records for batch in batches] == [0, 1, 3, 1, 0]
    assert lines(batches) == [text[:1024], text[1024:2048], text[2048:3072], text[3072:], "d"]


def test_bytes_are_a_row_of_hex_an_object(
    of_a_map: CollectionSpec, caplog: pytest.LogCaptureFixture
) -> None:
    size = 150
    numbers = tuple(
        [one._replace(max_entries=size) if one.name == "numbers" else one for one in of_a_map.maps]
    )
    with load(of_a_map._replace(maps=numbers)) as collection, stream(collection) as events:
        events.stop()
        batches = [batch for batch in events if batch.schema.map == "structs"]
    assert lines(batches) == [f"{key:02x}0000000a000000" for key in range(size)]
    assert [batch.records for batch in batches] == [64, 64, 22, 0]
    assert [batch.final for batch in batches] == [False, False, False, True]
    assert [field.name for field in Decoder(batches[0].schema).fields] == ["hex"]
    assert [record.getMessage() for record in caplog.records] == [
        f"program '{name}': writes binary data (bpf_seq_write): shown in hex"
        for name in ("structs", "long_one")
    ]


def test_bytes_that_fill_more_than_a_row(of_a_map: CollectionSpec) -> None:
    rows = read(of_a_map, "long_one")
    assert [len(row) for row in rows] == [1024, 976]
    assert "".join(rows) == (b"\1" + bytes(999)).hex()


def test_bytes_beside_text_are_text(of_a_map: CollectionSpec) -> None:
    assert read(of_a_map, "mixed") == ["a line"]


def test_a_map_must_be_named(of_a_map: CollectionSpec) -> None:
    with load(of_a_map, targets={"elements": Target("bpf_map_elem")}) as collection:
        with pytest.raises(
            AttachError,
            match="'elements': iterator 'bpf_map_elem': expected bpf_map_elem/MAP, where",
        ):
            collection.attach()
        assert not collection.links
