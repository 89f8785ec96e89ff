import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from beepy.btf.btf import Btf
from beepy.btf.types import VOID
from beepy.btf.writer import BtfWriter
from beepy.collection.collection import Collection
from beepy.errors import KernelError, UsageError
from beepy.events.batch import Batch, Reader, Schema
from beepy.events.decoder import Decoder
from beepy.host.machine import possible_cpus
from beepy.kernel import map as kernel_map
from beepy.kernel.map import Map
from beepy.maps.ringbuf import RingReader
from beepy.maps.table import TableReader
from beepy.obj.spec import CollectionSpec, MapSpec, Role, Tracked
from beepy.streams import Stream, stream
from beepy.uapi import MapType
from tests.support.fault import Fault
from tests.support.producer import Hold, Output, Producer

pytestmark = pytest.mark.kernel

BTF = Btf(BtfWriter().data())
RING = 4 << 20
WINDOW = 5e-3  # of a ring of this size


def schema(name: str) -> Schema:
    return Schema("image", name, None, BTF)


class Counted:
    """Counts the readings of a reader."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.schema = reader.schema
        self.coalesce_s = reader.coalesce_s
        self.poll_period_s = reader.poll_period_s
        self.readings = 0

    def fileno(self) -> int:
        return self.reader.fileno()

    def read(self) -> Iterator[Batch]:
        self.readings += 1
        return self.reader.read()

    def end(self) -> Iterator[Batch]:
        return self.reader.end()

    def close(self) -> None:
        self.reader.close()


class Rig:
    """Owns two rings and two tables with their readers and producers."""

    def __init__(self, stack: ExitStack) -> None:
        create = kernel_map.create
        self.rings = [
            stack.enter_context(create(MapType.RINGBUF, f"ring{i}", 0, 0, RING)) for i in (0, 1)
        ]
        self.tables = [
            stack.enter_context(create(MapType.HASH, f"table{i}", 4, 4, 16)) for i in (0, 1)
        ]
        self.producers = [stack.enter_context(Producer(ring, Output(16))) for ring in self.rings]
        self.schemas = tuple([schema(map_.name) for map_ in (*self.rings, *self.tables)])
        self.counted = [
            *[
                Counted(RingReader(ring, schema))
                for ring, schema in zip(self.rings, self.schemas[:2], strict=True)
            ],
            *[
                Counted(TableReader(table, schema))
                for table, schema in zip(self.tables, self.schemas[2:], strict=True)
            ],
        ]

    def stream(
        self,
        *detach: Callable[[], None],
        interval: float | None = None,
        timeout: float | None = None,
    ) -> Stream:
        return Stream(self.counted, detach, interval=interval, timeout=timeout)


@pytest.fixture
def rig() -> Iterator[Rig]:
    with ExitStack() as stack:
        yield Rig(stack)


def names(batches: list[Batch]) -> list[str]:
    return [batch.schema.map for batch in batches]


LAST = ["table0", "table1"]  # the last snapshots


def test_rings_are_read_until_the_stream_stops(rig: Rig) -> None:
    calls: list[str] = []

    def detach() -> None:
        calls.append("first")
        rig.producers[1].run(1)  # records until the links are closed

    batches = []
    with rig.stream(detach, lambda: calls.append("second")) as stream:
        assert stream.schemas == rig.schemas
        rig.producers[0].run(3)
        for batch in stream:
            batches.append(batch)
            if batch.schema.map == "ring0":
                stream.stop()
    assert calls == ["first", "second"]
    assert names(batches) == ["ring0", "ring1", *LAST]
    assert [batch.records for batch in batches] == [3, 1, 0, 0]
    assert [batch.final for batch in batches] == [False, False, True, True]


def test_a_stop_before_the_iteration(rig: Rig) -> None:
    rig.producers[0].run(1)
    with rig.stream() as stream:
        stream.stop()
        assert names(list(stream)) == ["ring0", *LAST]


def test_every_record_of_a_program_arrives(rig: Rig) -> None:
    thread = threading.Thread(target=rig.producers[0].run, args=(50_000,))
    records = 0
    with rig.stream() as stream:
        thread.start()
        for batch in stream:
            records += batch.records
            if records == 50_000:
                stream.stop()
    thread.join()
    assert records == 50_000


def test_a_demand_of_another_thread_wakes_the_stream(rig: Rig) -> None:
    batches = []
    with rig.stream() as stream:
        thread = threading.Thread(target=stream.demand, args=(rig.schemas[3:],))
        iteration = iter(stream)
        thread.start()
        batches.append(next(iteration))
        thread.join()
        stream.stop()
        batches += iteration
    assert names(batches) == ["table1", *LAST]
    assert [batch.snapshot for batch in batches] == [1, 1, 2]


def test_a_demand_of_nothing_gives_an_empty_batch(rig: Rig) -> None:
    with rig.stream() as stream:
        stream.demand(())
        batch = next(iter(stream))
        stream.stop()
    assert (batch.records, batch.lost, batch.final) == (0, None, False)
    assert batch.schema in rig.schemas[:2]


def test_a_snapshot_does_not_wait_for_the_iteration(rig: Rig) -> None:
    """Read tables in another thread while the stream reads one."""
    with rig.stream() as stream:
        stream.demand(rig.schemas)
        iteration = iter(stream)
        assert names([next(iteration)]) == LAST[:1]
        read: list[Batch] = []
        thread = threading.Thread(target=lambda: read.extend(stream.snapshot(rig.schemas)))
        thread.start()
        thread.join()
        assert names(read) == LAST
        assert names([*stream.snapshot(rig.schemas[3:])]) == LAST[1:]
        assert names([next(iteration)]) == LAST[1:]


def test_rings_are_read_before_tables_and_demands_share_a_reading(rig: Rig) -> None:
    rig.producers[0].run(1)
    with rig.stream() as stream:
        for _ in range(3):
            stream.demand(rig.schemas)
        iteration = iter(stream)
        assert names([next(iteration) for _ in range(3)]) == ["ring0", *LAST]
        stream.stop()
        assert names(list(iteration)) == LAST
    assert [reader.readings for reader in rig.counted[2:]] == [2, 2]


def test_tables_are_read_every_interval(rig: Rig) -> None:
    began = time.monotonic()
    snapshots = 0
    with rig.stream(interval=0.01) as stream:
        for batch in stream:
            snapshots += batch.final
            if snapshots == 6:
                assert time.monotonic() - began >= 0.03
                stream.stop()
    assert snapshots == 8


@pytest.mark.parametrize("own", [True, False])
def test_tables_may_have_intervals_of_their_own(rig: Rig, own: bool) -> None:
    """The second table has none of its own: it is read each hour with the one, else each 10 ms."""
    readers = rig.counted[2:]
    readers[0].schema = readers[0].schema._replace(interval=0.01 if own else 3600.0)
    interval = 3600.0 if own else 0.01
    with Stream(readers, interval=interval, own_intervals=own) as stream:
        for batch in stream:
            if batch.final and readers[0].readings == 3:
                stream.stop()
    assert [reader.readings for reader in readers] == ([4, 1] if own else [4, 4])


def test_a_timeout_ends_the_stream(rig: Rig) -> None:
    began = time.monotonic()
    with rig.stream(timeout=0.02) as stream:
        assert names(list(stream)) == LAST
    assert time.monotonic() - began >= 0.02


def test_a_timeout_ends_the_stream_while_records_arrive(rig: Rig) -> None:
    with rig.stream(timeout=0.05) as stream:
        rig.producers[0].run(1)
        for batch in stream:
            if not batch.snapshot and rig.counted[0].readings < 5000:
                rig.producers[0].run(1)
    assert rig.counted[0].readings < 5000


def test_a_signal_handler_can_stop_the_stream(rig: Rig) -> None:
    with rig.stream() as stream:
        before = signal.signal(signal.SIGUSR1, lambda _number, _frame: stream.stop())
        thread = threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGUSR1))
        try:
            thread.start()
            assert names(list(stream)) == LAST
        finally:
            thread.join()
            signal.signal(signal.SIGUSR1, before)


def test_after_its_end_and_after_close_nothing_is_read(rig: Rig) -> None:
    with rig.stream(timeout=0) as stream:
        assert names(list(stream)) == LAST
        stream.demand(rig.schemas)
        stream.stop()
        assert not stream._demanded
    stream.demand(rig.schemas)
    stream.stop()
    stream.close()
    with pytest.raises(UsageError, match="stream: already iterated"):
        next(iter(stream))


def test_an_iteration_can_be_abandoned(rig: Rig) -> None:
    rig.producers[0].run(2)
    with rig.stream() as stream:
        for batch in stream:
            assert batch.records == 2
            break


@pytest.mark.parametrize("busy", [False, True])
def test_rings_are_read_once_per_window(rig: Rig, busy: bool) -> None:
    # a slow machine has fewer readings in the same time
    timeout = 0.1
    done = threading.Event()

    def produce() -> None:
        while not done.is_set():
            rig.producers[0].run(10)

    with Fault() as fault, Producer(rig.rings[0], Hold(16)) as producer:
        thread = (
            threading.Thread(target=producer.hold, args=(fault.address,))
            if busy
            else threading.Thread(target=produce)
        )
        with rig.stream(done.set, fault.release, thread.join, timeout=timeout) as stream:
            thread.start()
            if busy:
                fault.wait()
            batches = list(stream)
    assert rig.counted[0].readings <= timeout / WINDOW + 5
    assert names(batches)[0] == "ring0"


def test_the_end_waits_for_running_programs(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[Stream.__module__], "_LAST_ROUNDS", 10_000)
    with Fault() as fault, Producer(rig.rings[0], Hold(16)) as producer:
        thread = threading.Thread(target=producer.hold, args=(fault.address,))
        thread.start()
        fault.wait()
        with rig.stream(fault.release) as stream:
            stream.stop()
            batches = list(stream)
        thread.join()
    assert names(batches) == ["ring0", *LAST]


def test_no_record_is_lost_if_a_detach_fails(rig: Rig) -> None:
    def fail() -> None:
        raise KernelError("not detached", errno.EBUSY)

    batches: list[Batch] = []
    with rig.stream(fail, lambda: rig.producers[0].run(2)) as stream:
        stream.stop()
        with pytest.raises(KernelError, match="not detached"):
            batches.extend(stream)
    assert [(batch.schema.map, batch.records) for batch in batches] == [
        ("ring0", 2),
        ("table0", 0),
        ("table1", 0),
    ]


def test_errors_of_a_detach_and_of_a_reading_are_both_reported(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise KernelError("not detached", errno.EBUSY)

    def read() -> Iterator[Batch]:
        raise KernelError("not read", errno.EIO)

    monkeypatch.setattr(rig.counted[2], "read", read)
    with rig.stream(fail) as stream:
        stream.stop()
        with pytest.raises(KernelError, match=r"^not read") as caught:
            list(stream)
    assert caught.value.__notes__ == ["not detached"]


def test_readers_of_collections(caplog: pytest.LogCaptureFixture) -> None:
    kinds = {"events": MapType.RINGBUF, "counts": MapType.PERCPU_ARRAY, "queue": MapType.QUEUE}
    sizes = {"events": (0, 0, RING), "counts": (4, 8, 2), "queue": (0, 8, 2)}
    specs = tuple([MapSpec(name, ".maps", kind, *sizes[name]) for name, kind in kinds.items()])
    tracked = tuple([Tracked(name, Role.PRINT, VOID) for name in kinds])
    spec = CollectionSpec("image", "GPL", (), specs, (), (), BTF, tracked)
    with Collection(spec, {}) as collection:
        created: dict[str, Map] = {
            name: kernel_map.create(kind, name, *sizes[name]) for name, kind in kinds.items()
        }
        collection.maps.update(created)
        with stream(collection, timeout=0) as whole:
            assert [schema.map for schema in whole.schemas] == ["events", "counts"]
            assert [schema.cpus for schema in whole.schemas] == [0, possible_cpus()]
            batches = list(whole)
        assert names(batches) == ["counts"]
        assert "map 'queue': not shown: nothing reads QUEUE yet" in caplog.text


@pytest.mark.parametrize(
    ("names_of_image", "types", "shown"),
    [
        ({"BPF_PROG_TYPE_KPROBE": 7}, None, "BPF_PROG_TYPE_KPROBE"),  # 2 in every kernel
        ({"BPF_PROG_TYPE_MINE": 2, "BPF_PROG_TYPE_KPROBE": 7}, None, "BPF_PROG_TYPE_MINE"),
        (
            {"BPF_PROG_TYPE_KPROBE": 7},
            {"BPF_PROG_TYPE_KPROBE": 1, "BPF_PROG_TYPE_XDP": 2},
            "BPF_PROG_TYPE_XDP",
        ),
    ],
    ids=["the running kernel's", "the image's own", "of --btf"],
)
def test_kernel_enums_have_the_numbers_of_this_kernel(
    names_of_image: dict[str, int], types: dict[str, int] | None, shown: str
) -> None:
    w = BtfWriter()
    key, value = w.integer(), w.enum("bpf_prog_type", names_of_image)
    table = MapSpec("types", ".maps", MapType.ARRAY, 4, 4, 1, key=key, value=value)
    tracked = (Tracked("types", Role.PRINT, VOID),)
    spec = CollectionSpec("image", "GPL", (), (table,), (), (), Btf(w.data()), tracked)
    other = None
    if types:
        of_file = BtfWriter()
        of_file.enum("bpf_prog_type", types)
        other = Btf(of_file.data())
    with Collection(spec, {}, btf=other) as collection:
        collection.maps["types"] = enums = kernel_map.create(MapType.ARRAY, "types", 4, 4, 1)
        enums.update(bytes(4), (2).to_bytes(4, "little"))
        with stream(collection, timeout=0) as whole:
            (batch,) = list(whole)
    decoder = Decoder(batch.schema)
    assert decoder.values(batch, decoder.fields) == [[0], [shown]]
