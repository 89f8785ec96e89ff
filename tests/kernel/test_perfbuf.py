import fcntl
import mmap
import os
import random
import select
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from beepy import maps
from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter
from beepy.errors import KernelError
from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.host import machine
from beepy.kernel import map as kernel_map
from beepy.kernel.map import Map
from beepy.maps.perfbuf import PerfReader, _Ring
from beepy.streams import Stream
from beepy.sys.fd import Fd
from beepy.uapi import MapType
from tests import soak
from tests.support.producer import PerfOutput, Producer, Step

pytestmark = pytest.mark.kernel

RING = 128 << 10
CHUNK = 256 << 10
PERF_EVENT_IOC_DISABLE = 0x2401


def schema(size: int = 0) -> Schema:
    writer = BtfWriter()
    record = writer.struct("event", size) if size else TypeId(0)
    return Schema("image", "buffer", None, Btf(writer.data()), record)


@contextmanager
def buffers(
    size: int = RING, least: int = 0, *, counters: bool = True
) -> Iterator[tuple[Map, PerfReader]]:
    """Yield a perf array and its reader; records have at least ``least`` bytes."""
    with (
        kernel_map.create(
            MapType.PERF_EVENT_ARRAY, "buffer", 4, 4, machine.possible_cpus()
        ) as array,
        closing(PerfReader(array, schema(least), size=size, counters=counters)) as reader,
    ):
        yield array, reader


@contextmanager
def on(cpu: int) -> Iterator[None]:
    """Run the block on one CPU."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@pytest.fixture
def _pinned() -> Iterator[None]:
    with on(min(os.sched_getaffinity(0))):
        yield


def padded(size: int) -> int:
    """Return the length of a record in the ring: with the u32 before it, a multiple of 8."""
    return (size + 4 + 7) // 8 * 8 - 4


def records(batch: Batch) -> list[bytes]:
    """Check the headers of the records, and return the records without them."""
    (part,) = batch.parts
    assert len(part.raw) == batch.records * part.stride
    assert part.skip == 12
    assert part.stride == 12 + padded(batch.length) or not batch.records
    starts = range(0, len(part.raw), part.stride)
    for start in starts:
        kind, _, size, length = struct.unpack_from("IHHI", part.raw, start)
        assert (kind, size, length) == (9, part.stride, part.stride - 12)
    return [part.raw[start + 12 : start + 12 + batch.length] for start in starts]


def serials(batches: list[Batch]) -> list[int]:
    return [int.from_bytes(record[:8], "little") for batch in batches for record in records(batch)]


def readable(reader: PerfReader) -> bool:
    poll = select.poll()
    poll.register(reader.fileno(), select.POLLIN)
    return bool(poll.poll(0))


@pytest.mark.usefixtures("_pinned")
def test_a_run_is_one_batch() -> None:
    with buffers() as (array, reader), Producer(array, PerfOutput(40)) as producer:
        assert not list(reader.read())
        producer.run(10)
        (batch,) = reader.read()
        assert (batch.records, batch.length, batch.lost, batch.snapshot) == (10, 44, 0, 0)
        assert batch.schema is reader.schema
        assert serials([batch]) == list(range(1, 11))
        assert not list(reader.read())


@pytest.mark.usefixtures("_pinned")
def test_a_record_includes_the_padding_of_the_kernel() -> None:
    with (
        buffers(least=40) as (array, reader),
        Producer(array, PerfOutput(40), PerfOutput(48)) as producer,
    ):
        producer.run(1)
        batches = list(reader.read())
        assert [batch.length for batch in batches] == [44, 52]
        assert [len(piece) for batch in batches for piece in Decoder(reader.schema).raw(batch)] == [
            40,
            40,
        ]


@pytest.mark.usefixtures("_pinned")
@pytest.mark.parametrize("size", [8, 12, 40, 56, 500, 4001])
def test_the_ring_wraps_many_times(size: int) -> None:
    with (
        buffers(mmap.PAGESIZE * 4) as (array, reader),
        Producer(array, PerfOutput(size)) as producer,
    ):
        batches: list[Batch] = []
        for _ in range(400):
            producer.run(3)
            batches += reader.read()
        assert serials(batches) == list(range(1, 1201))
        assert sum([batch.lost or 0 for batch in batches]) == 0


@pytest.mark.soak
@pytest.mark.usefixtures("_pinned")
def test_mixed_lengths_are_batches_in_order() -> None:
    dice = random.Random(7)
    for _ in range(soak.times(10)):
        steps: list[Step] = []
        while len(steps) < 60:
            steps += [PerfOutput(dice.choice([8, 12, 16, 24]))] * dice.choice(
                [1, 1, 2, 3, 15, 16, 17, 33]
            )
        lengths = [padded(step.size) for step in steps]
        with buffers(mmap.PAGESIZE * 4) as (array, reader), Producer(array, *steps) as producer:
            for turn in range(10):
                producer.run(1)
                batches = list(reader.read())
                assert [batch.length for batch in batches for _ in range(batch.records)] == lengths
                first = turn * len(steps) + 1
                assert serials(batches) == list(range(first, first + len(steps)))


@pytest.mark.usefixtures("_pinned")
def test_records_shorter_than_their_type_are_read() -> None:
    with buffers(least=24) as (array, reader):
        with Producer(array, *map(PerfOutput, (24, 8, 8, 12, 32))) as producer:
            producer.run(1)
            batches = list(reader.read())
        assert [(batch.length, batch.records) for batch in batches] == [(28, 1), (12, 3), (36, 1)]
        assert serials(batches) == [1, 2, 3, 4, 5]


@pytest.mark.usefixtures("_pinned")
def test_losses_of_a_full_ring_are_counted_when_it_is_read() -> None:
    with buffers() as (array, reader), Producer(array, PerfOutput(52)) as producer:
        if not reader._counters:
            pytest.skip("no PERF_FORMAT_LOST: Linux 6.0")
        producer.run(10_000)
        batches = list(reader.read())
        kept = (RING - 1) // 64  # the kernel never lets the head reach the tail
        assert serials(batches) == list(range(1, kept + 1))
        assert [(batch.records, batch.lost) for batch in batches] == [(kept, 0), (0, 10_000 - kept)]
        assert not list(reader.read())
        producer.run(1)  # the LOST record before it reports losses that are known already
        (batch,) = reader.read()
        assert (serials([batch]), batch.lost) == ([10_001], 0)
        producer.run(20_000)
        assert sum([batch.records + (batch.lost or 0) for batch in reader.read()]) == 20_000


@pytest.mark.usefixtures("_pinned")
def test_losses_during_a_reading_are_counted_by_the_next_one() -> None:
    steps = [PerfOutput(52)] * 32 + [PerfOutput(60)] * 1100
    with (
        buffers() as (array, reader),
        Producer(array, *steps) as first,
        Producer(array, PerfOutput(52)) as second,
    ):
        if not reader._counters:
            pytest.skip("no PERF_FORMAT_LOST: Linux 6.0")
        first.run(1)
        reading = reader.read()
        read = next(reading).records
        assert read == 32
        second.run(10_000)  # the ring is full now, but not when either reading begins
        batches = [*reading, *reader.read()]
        assert len(steps) + 10_000 == read + sum(
            [batch.records + (batch.lost or 0) for batch in batches]
        )


@pytest.mark.usefixtures("_pinned")
def test_without_counters_a_loss_without_a_lost_record_is_unknown() -> None:
    with buffers(counters=False) as (array, reader), Producer(array, PerfOutput(52)) as producer:
        producer.run(1000)
        assert [batch.lost for batch in reader.read()] == [0]
        assert not list(reader.read())  # enough was free that nothing can have been lost
        producer.run(10_000)
        assert [batch.lost for batch in reader.read()] == [0]
        assert [batch.lost for batch in reader.read()] == [None]
        assert not list(reader.read())
        producer.run(10_000)
        first = list(reader.read())
        producer.run(1)
        assert (
            sum([batch.records + (batch.lost or 0) for batch in (*first, *reader.read())]) >= 10_001
        )


def test_every_cpu_has_a_ring() -> None:
    cpus = sorted(os.sched_getaffinity(0))
    with buffers() as (array, reader), Producer(array, PerfOutput(20)) as producer:
        for cpu in reversed(cpus):
            with on(cpu):
                producer.run(2)
        last = 2 * len(cpus)
        expected = [
            serial for at in range(len(cpus)) for serial in (last - 2 * at - 1, last - 2 * at)
        ]
        assert serials(list(reader.read())) == expected


def test_every_record_is_read_or_counted_as_lost() -> None:
    with buffers() as (array, reader), Producer(array, PerfOutput(52)) as producer:
        thread = threading.Thread(target=producer.run, args=(300_000,))
        thread.start()
        seen: list[int] = []
        lost = 0
        while thread.is_alive():
            for batch in reader.read():
                assert len(batch.parts[0].raw) <= CHUNK
                seen += serials([batch])
                lost += batch.lost or 0
        thread.join()
        for _ in range(2):
            for batch in reader.read():
                seen += serials([batch])
                lost += batch.lost or 0
        assert len(set(seen)) == len(seen)
        if reader._counters:
            assert len(seen) + lost == 300_000


@pytest.mark.usefixtures("_pinned")
def test_the_reader_is_readable_when_a_quarter_of_a_ring_is_full() -> None:
    with buffers() as (array, reader), Producer(array, PerfOutput(52)) as producer:
        producer.run(RING // 64 // 4)
        assert not readable(reader)
        producer.run(1)
        assert readable(reader)
        list(reader.read())
        assert not readable(reader)


@pytest.mark.usefixtures("_pinned")
def test_a_stream_reads_records_that_cause_no_wake_up() -> None:
    calls: list[int] = []
    with buffers() as (array, reader), Producer(array, PerfOutput(20)) as producer:

        def detach() -> None:
            producer.run(1)
            calls.append(1)

        with Stream([reader], [detach]) as stream:
            producer.run(2)
            batches = []
            for batch in stream:
                batches.append(batch)
                stream.stop()
        assert calls == [1]
        assert serials(batches) == [1, 2, 3]
        with pytest.raises(ValueError, match="closed"):
            reader.fileno()


@pytest.mark.usefixtures("_pinned")
def test_the_end_of_a_stream_reports_all_losses() -> None:
    with buffers() as (array, reader), Producer(array, PerfOutput(52)) as producer:
        if not reader._counters:
            pytest.skip("no PERF_FORMAT_LOST: Linux 6.0")
        with Stream([reader], [lambda: producer.run(10_000)]) as stream:
            stream.stop()
            batches = list(stream)
        assert sum([batch.records + (batch.lost or 0) for batch in batches]) == 10_000
        assert sum([batch.lost or 0 for batch in batches]) > 0


def test_a_map_with_fewer_slots_than_cpus(caplog: pytest.LogCaptureFixture) -> None:
    online = machine.online_cpus()
    if max(online) == 0:
        pytest.skip("needs two CPUs")
    with (
        kernel_map.create(MapType.PERF_EVENT_ARRAY, "buffer", 4, 4, 1) as array,
        closing(PerfReader(array, schema())) as reader,
    ):
        assert [batch.lost for batch in reader.read()] == [None]
        assert list(reader.end()) == []
    assert f"map 'buffer': no slot for CPU {online[1]}: its records are lost" in caplog.text


def test_close_removes_the_rings_from_the_map() -> None:
    cpu = machine.online_cpus()[0].to_bytes(4, "little")
    with kernel_map.create(
        MapType.PERF_EVENT_ARRAY, "buffer", 4, 4, machine.possible_cpus()
    ) as array:
        reader = PerfReader(array, schema())
        reader.close()
        assert not array.delete(cpu)


def test_an_event_that_no_longer_counts_time_is_replaced(caplog: pytest.LogCaptureFixture) -> None:
    """Replace the event as after its CPU was offline; tests/vm takes a CPU offline."""
    with (
        buffers() as (array, reader),
        on(cpu := machine.online_cpus()[0]),
        Producer(array, PerfOutput(52)) as producer,
    ):
        (ring,) = [ring for ring in reader._rings if ring.cpu == cpu]
        producer.run(3)
        fcntl.ioctl(ring.event.fileno(), PERF_EVENT_IOC_DISABLE)
        producer.run(4)
        assert [(batch.records, batch.lost) for batch in reader.end()] == [(3, 0), (0, None)]
        producer.run(5)
        assert [(batch.records, batch.lost) for batch in reader.end()] == [(5, 0)]
    assert caplog.messages == [
        f"map 'buffer': CPU {cpu} went offline: what it sends before it has a new ring is lost",
        f"map 'buffer': CPU {cpu} came online: what it sent before it had a ring is lost",
    ]


def test_the_end_of_a_stream_checks_the_cpus() -> None:
    with buffers() as (array, reader), Producer(array, PerfOutput(52)) as producer:
        (ring, *_) = reader._rings

        def detach() -> None:
            fcntl.ioctl(ring.event.fileno(), PERF_EVENT_IOC_DISABLE)

        with on(ring.cpu), Stream([reader], [detach]) as stream:
            producer.run(1)
            stream.stop()
            assert [(batch.records, batch.lost) for batch in stream] == [(1, 0), (0, None)]


def test_a_map_has_one_reader_at_a_time() -> None:
    message = f"^map 'buffer': is being read by pid {os.getpid()}$"
    with buffers() as (array, _), pytest.raises(KernelError, match=message):
        PerfReader(array, schema())
    with buffers() as (array, reader):
        reader.close()
        PerfReader(array, schema()).close()


def test_a_map_of_another_type_is_an_error() -> None:
    with (
        kernel_map.create(MapType.ARRAY, "table", 4, 8, 4) as table,
        pytest.raises(KernelError, match="map 'table': update"),
    ):
        PerfReader(table, schema())


def test_an_invalid_ring_size_is_an_error() -> None:
    with (
        kernel_map.create(MapType.PERF_EVENT_ARRAY, "buffer", 4, 4, 2) as array,
        pytest.raises(
            KernelError, match=r"map 'buffer': CPU \d+: mmap: invalid argument \(EINVAL\)"
        ),
    ):
        PerfReader(array, schema(), size=3 * mmap.PAGESIZE)


@contextmanager
def written(tail: int, head: int, data: bytes) -> Iterator[PerfReader]:
    """Yield a reader of a ring in a file, with contents that no kernel writes."""
    with buffers() as (_, reader), Fd(os.memfd_create("ring")) as fd:
        page = bytes(1024) + struct.pack("QQ", head, tail)
        os.write(fd.fileno(), page.ljust(mmap.PAGESIZE, b"\0") + data.ljust(RING, b"\0"))
        ring = _Ring(0, fd, RING)
        own, reader._rings = reader._rings, [ring]
        yield reader
        reader._rings = own
        ring.close()


@pytest.mark.parametrize("size", [0, 7, 9, 32])
def test_an_invalid_record_size_is_an_error(size: int) -> None:
    record = struct.pack("IHHI4x", 9, 0, 16, 4) + struct.pack("IHH", 9, 0, size)
    with written(0, 40, record) as reader:
        reading = reader.read()
        assert next(reading).records == 1
        with pytest.raises(
            KernelError,
            match=f"map 'buffer': perf buffer: record at 16: invalid size {size}, 24 bytes left$",
        ):
            next(reading)


@pytest.mark.parametrize(("tail", "head"), [(16, 0), (0, RING + 8)])
def test_invalid_positions_are_an_error(tail: int, head: int) -> None:
    with (
        written(tail, head, b"") as reader,
        pytest.raises(KernelError, match=r"tail at \d+, but head at"),
    ):
        list(reader.read())


def test_maps_reader_returns_a_perf_reader() -> None:
    with kernel_map.create(
        MapType.PERF_EVENT_ARRAY, "buffer", 4, 4, machine.possible_cpus()
    ) as array:
        reader = maps.reader(array, schema())
        assert isinstance(reader, PerfReader)
        reader.close()
