import mmap
import os
import random
import select
import struct
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from beepy.btf.btf import Btf
from beepy.btf.types import TypeId
from beepy.btf.writer import BtfWriter
from beepy.errors import KernelError
from beepy.events.batch import Batch, Schema
from beepy.kernel import map as kernel_map
from beepy.kernel.map import Map
from beepy.maps.ringbuf import RingReader
from beepy.sys.fd import Fd
from beepy.uapi import MapType
from tests import soak
from tests.support.fault import Fault
from tests.support.producer import Discard, Hold, Output, Producer, Step, Submit

pytestmark = pytest.mark.kernel

CHUNK = 256 << 10


def schema(size: int = 0) -> Schema:
    writer = BtfWriter()
    record = writer.struct("event", size) if size else TypeId(0)
    return Schema("image", "ring", None, Btf(writer.data()), record)


@contextmanager
def rings(pages: int = 1, least: int = 0) -> Iterator[tuple[Map, RingReader]]:
    """Yield a ring buffer and its reader; records have at least ``least`` bytes."""
    with (
        kernel_map.create(MapType.RINGBUF, "ring", 0, 0, pages * mmap.PAGESIZE) as ring,
        closing(RingReader(ring, schema(least))) as reader,
    ):
        yield ring, reader


def records(batch: Batch) -> list[bytes]:
    """Check the headers of the records, and return the records without them."""
    (part,) = batch.parts
    assert len(part.raw) == batch.records * part.stride
    assert part.skip == 8
    assert part.stride == (batch.length + 8 + 7) // 8 * 8
    starts = range(0, len(part.raw), part.stride)
    assert all(struct.unpack_from("I", part.raw, start) == (batch.length,) for start in starts)
    return [part.raw[start + 8 : start + 8 + batch.length] for start in starts]


def serials(batches: list[Batch]) -> list[int]:
    return [int.from_bytes(record[:8], "little") for batch in batches for record in records(batch)]


def readable(reader: RingReader) -> bool:
    poll = select.poll()
    poll.register(reader.fileno(), select.POLLIN)
    return bool(poll.poll(0))


def test_a_run_is_one_batch() -> None:
    with rings() as (ring, reader), Producer(ring, Output(40)) as producer:
        assert not list(reader.read())
        assert not readable(reader)
        producer.run(10)
        assert readable(reader)
        (batch,) = reader.read()
        assert (batch.records, batch.length, batch.lost, batch.snapshot) == (10, 40, None, 0)
        assert batch.schema is reader.schema
        assert serials([batch]) == list(range(1, 11))
        assert not readable(reader)
        assert not list(reader.read())


@pytest.mark.parametrize("size", [8, 9, 40, 56, 500])
def test_the_ring_wraps_many_times(size: int) -> None:
    with rings() as (ring, reader), Producer(ring, Output(size)) as producer:
        batches: list[Batch] = []
        for _ in range(200):
            producer.run(7)
            batches += reader.read()
        assert serials(batches) == list(range(1, 1401))


def test_a_full_ring_keeps_its_records_and_continues() -> None:
    with rings() as (ring, reader), Producer(ring, Output(56)) as producer:
        producer.run(100)
        # The kernel never lets the producer reach the consumer's position.
        fits = mmap.PAGESIZE // 64 - 1
        assert serials(list(reader.read())) == list(range(1, fits + 1))
        producer.run(1)
        assert serials(list(reader.read())) == [101]


def test_mixed_lengths_are_batches_in_order() -> None:
    steps = (Output(16), Output(16), Submit(24), Output(50), Output(56), Output(16))
    with rings() as (ring, reader), Producer(ring, *steps) as producer:
        producer.run(2)
        batches = list(reader.read())
        assert [(batch.length, batch.records) for batch in batches] == [
            *((16, 2), (24, 1), (50, 1), (56, 1)),
            *((16, 3), (24, 1), (50, 1), (56, 1), (16, 1)),
        ]
        assert serials(batches) == list(range(1, 13))


def test_discarded_records_are_skipped() -> None:
    with (
        rings() as (ring, reader),
        Producer(ring, Discard(24), Output(24), Discard(24), Discard(8)) as producer,
    ):
        producer.run(3)
        batches = list(reader.read())
        assert serials(batches) == [1, 2, 3]
        assert not readable(reader)
    with rings() as (ring, reader), Producer(ring, Discard(24)) as producer:
        producer.run(3)
        assert not list(reader.read())
        assert not readable(reader)


def test_records_shorter_than_their_type_are_read() -> None:
    with rings(least=24) as (ring, reader):
        with Producer(ring, Output(24), Output(16), Output(16), Output(20), Output(32)) as producer:
            producer.run(1)
            batches = list(reader.read())
        assert [(batch.length, batch.records) for batch in batches] == [
            (24, 1),
            (16, 2),
            (20, 1),
            (32, 1),
        ]
        assert serials(batches) == [1, 2, 3, 4, 5]
        assert not readable(reader)


@pytest.mark.soak
def test_records_of_random_lengths() -> None:
    dice = random.Random(7)
    for _ in range(soak.times(20)):
        steps: list[Step] = []
        while len(steps) < 60:
            size = dice.choice([8, 12, 16, 24])
            choice: list[Step] = [Output(size), Output(size), Submit(size), Discard(size)]
            step = dice.choice(choice)
            steps += [step] * dice.choice([1, 1, 2, 3, 15, 16, 17, 33])
        written = [step for step in steps if not isinstance(step, Discard)]
        with rings(pages=4) as (ring, reader), Producer(ring, *steps) as producer:
            for turn in range(10):
                producer.run(1)
                batches = list(reader.read())
                lengths = [batch.length for batch in batches for _ in range(batch.records)]
                assert lengths == [step.size for step in written]
                first = turn * len(written) + 1
                assert serials(batches) == list(range(first, first + len(written)))


def test_batches_are_limited_and_free_their_room_one_by_one() -> None:
    with rings(pages=256) as (ring, reader), Producer(ring, Output(56)) as producer:
        producer.run(1 << 20)
        batches = []
        for batch in reader.read():
            assert len(batch.parts[0].raw) <= CHUNK
            batches.append(batch)
            producer.run(batch.records)  # after the position where this reading ends
        full = 256 * mmap.PAGESIZE // 64 - 1
        assert [batch.records for batch in batches] == [CHUNK // 64] * 3 + [CHUNK // 64 - 1]
        assert serials(batches) == list(range(1, full + 1))
        assert serials(list(reader.read())) == list(range((1 << 20) + 1, (1 << 20) + 1 + full))


def test_a_record_longer_than_a_batch() -> None:
    with (
        rings(pages=256) as (ring, reader),
        Producer(ring, Output(8), Output(CHUNK + 100), Output(8)) as producer,
    ):
        producer.run(2)
        batches = list(reader.read())
        assert [(batch.length, batch.records) for batch in batches] == [
            *((8, 1), (CHUNK + 100, 1), (8, 2), (CHUNK + 100, 1), (8, 1)),
        ]
        assert serials(batches) == list(range(1, 7))


def test_reading_while_a_program_writes() -> None:
    with rings(pages=4096) as (ring, reader), Producer(ring, Output(56)) as producer:
        thread = threading.Thread(target=producer.run, args=(200_000,))
        thread.start()
        seen: list[int] = []
        while thread.is_alive() or readable(reader):
            seen += serials(list(reader.read()))
        thread.join()
        assert seen == list(range(1, 200_001))


def test_reading_stops_at_a_busy_record() -> None:
    with (
        Fault() as fault,
        rings() as (ring, reader),
        Producer(ring, Output(16)) as before,
        Producer(ring, Hold(16)) as busy,
    ):
        before.run(2)
        thread = threading.Thread(target=busy.hold, args=(fault.address,))
        thread.start()
        fault.wait()
        before.run(2)
        assert serials(list(reader.read())) == [1, 2]
        assert not list(reader.read())
        assert readable(reader)
        fault.release()
        thread.join()
        assert serials(list(reader.read())) == [0, 3, 4]
        assert not readable(reader)


@contextmanager
def written(consumer: int, producer: int, data: bytes) -> Iterator[RingReader]:
    """Yield a reader of a ring in a file, with contents that no kernel writes."""
    page = mmap.PAGESIZE
    with Fd(os.memfd_create("ring")) as fd:
        data = data.ljust(page, b"\0")
        pages = struct.pack("Q", consumer).ljust(page, b"\0") + struct.pack("Q", producer).ljust(
            page, b"\0"
        )
        os.write(fd.fileno(), pages + data + data)
        with closing(RingReader(Map(fd, "ring", MapType.RINGBUF, 0, 0, page), schema())) as reader:
            yield reader


def test_a_record_beyond_the_producer_is_an_error() -> None:
    good = struct.pack("II8x", 8, 0)
    with written(0, 24, good + struct.pack("I", 9)) as reader:
        reading = reader.read()
        assert next(reading).records == 1
        with pytest.raises(
            KernelError,
            match=r"map 'ring': ring buffer: record at 16: expected 24 bytes .*, got 8$",
        ):
            next(reading)


@pytest.mark.parametrize(("consumer", "producer"), [(16, 0), (0, mmap.PAGESIZE + 8)])
def test_invalid_positions_are_an_error(consumer: int, producer: int) -> None:
    with (
        written(consumer, producer, b"") as reader,
        pytest.raises(KernelError, match=r"consumer at \d+, but producer"),
    ):
        list(reader.read())


def test_a_map_that_cannot_be_mapped_is_an_error() -> None:
    with (
        kernel_map.create(MapType.HASH, "table", 4, 4, 4) as table,
        pytest.raises(KernelError, match="map 'table': mmap"),
    ):
        RingReader(table, schema())


def test_reading_a_closed_reader_is_an_error() -> None:
    with rings() as (_, reader):
        reader.close()
        with pytest.raises(ValueError, match="released"):
            list(reader.read())
