import errno
import fcntl
import struct
import threading

import pytest

from beepy.errors import KernelError
from beepy.host.machine import possible_cpus
from beepy.kernel import map as maps
from beepy.sys.fd import Fd
from beepy.uapi import MapFlag, MapType, UpdateFlag

pytestmark = pytest.mark.kernel


def u32(*numbers: int) -> bytes:
    return struct.pack(f"={len(numbers)}I", *numbers)


def u64(*numbers: int) -> bytes:
    return struct.pack(f"={len(numbers)}Q", *numbers)


def read_all(table: maps.Map, count: int) -> tuple[dict[bytes, bytes], int]:
    """Return all entries, and the number of batches."""
    entries: dict[bytes, bytes] = {}
    cursor, batches = None, 0
    while True:
        keys, values, read, cursor = table.lookup_batch(cursor, count)
        size, span = table.key_size, table.value_span
        assert (len(keys), len(values)) == (read * size, read * span)
        entries.update(
            (keys[i * size : (i + 1) * size], values[i * span : (i + 1) * span])
            for i in range(read)
        )
        batches += 1
        if cursor is None:
            return entries, batches


def test_a_hash_map_stores_entries() -> None:
    with maps.create(MapType.HASH, "hash", 4, 8, 2) as table:
        assert table.next_key(None) is None
        assert table.lookup(u32(1)) is None
        assert table.delete(u32(1)) is False
        table.update(u32(1), u64(10))
        table.update(u32(1), u64(11))
        assert table.lookup(u32(1)) == u64(11)
        assert table.next_key(None) == u32(1)
        assert table.next_key(u32(1)) is None
        assert table.delete(u32(1)) is True
        assert table.lookup(u32(1)) is None


def test_update_obeys_its_flags() -> None:
    with maps.create(MapType.HASH, "hash", 4, 8, 1) as table:
        with pytest.raises(KernelError) as missing:
            table.update(u32(1), u64(1), UpdateFlag.EXIST)
        table.update(u32(1), u64(1), UpdateFlag.NOEXIST)
        with pytest.raises(KernelError) as exists:
            table.update(u32(1), u64(1), UpdateFlag.NOEXIST)
        with pytest.raises(KernelError) as full:
            table.update(u32(2), u64(1))
    assert [caught.value.errno for caught in (missing, exists, full)] == [
        errno.ENOENT,
        errno.EEXIST,
        errno.E2BIG,
    ]
    assert str(full.value) == "map 'hash': update: argument list too long (E2BIG)"


def test_keys_and_values_of_the_wrong_length_are_refused() -> None:
    with maps.create(MapType.HASH, "hash", 4, 8, 1) as table:
        with pytest.raises(KernelError, match="map 'hash': look-up: key of 3 bytes, expected 4"):
            table.lookup(b"abc")
        with pytest.raises(KernelError, match="map 'hash': update: value of 4 bytes, expected 8"):
            table.update(u32(1), b"abcd")


@pytest.mark.parametrize("count", [64, 256, 1024])
def test_batches_return_all_entries_of_a_hash(count: int) -> None:
    expected = {u32(number): u64(number * 3) for number in range(500)}
    with maps.create(MapType.HASH, "hash", 4, 8, 500) as table:
        for key, value in expected.items():
            table.update(key, value)
        entries, batches = read_all(table, count)
    assert entries == expected
    assert batches >= -(-500 // count)


def test_the_first_batch_of_an_empty_hash_is_the_last() -> None:
    with maps.create(MapType.HASH, "hash", 4, 8, 4) as table:
        assert table.lookup_batch(None, 8) == (b"", b"", 0, None)


def test_a_bucket_larger_than_a_batch_is_enospc() -> None:
    with maps.create(MapType.HASH, "hash", 4, 8, 4096) as table:
        for number in range(4096):
            table.update(u32(number), u64(0))
        with pytest.raises(KernelError) as caught:
            read_all(table, 1)  # 4096 keys in 4096 buckets: some bucket has two
    assert caught.value.errno == errno.ENOSPC


def test_batches_return_all_elements_of_an_array() -> None:
    with maps.create(MapType.ARRAY, "array", 4, 8, 10) as table:
        table.update(u32(7), u64(70))
        entries, batches = read_all(table, 4)
    assert entries == {u32(number): u64(70 if number == 7 else 0) for number in range(10)}
    assert batches == 3


def test_lookup_batch_of_a_queue_is_not_supported() -> None:
    with (
        maps.create(MapType.QUEUE, "queue", 0, 8, 4) as table,
        pytest.raises(KernelError) as caught,
    ):
        table.lookup_batch(None, 4)
    assert caught.value.errno in {errno.EINVAL, 524}


@pytest.mark.parametrize(
    "map_type", [MapType.PERCPU_ARRAY, MapType.PERCPU_HASH, MapType.LRU_PERCPU_HASH]
)
def test_a_value_of_a_per_cpu_map_has_a_slot_for_each_cpu(map_type: MapType) -> None:
    with maps.create(map_type, "percpu", 4, 12, 4) as table:
        assert table.value_span == 16 * possible_cpus()
        value = b"".join(
            [struct.pack("=IIII", cpu, cpu + 1, cpu + 2, 0) for cpu in range(possible_cpus())]
        )
        table.update(u32(2), value)
        read = table.lookup(u32(2))
        entries, _ = read_all(table, 4)
    assert read == value
    assert entries[u32(2)] == value


def test_a_queue_has_no_keys() -> None:
    with maps.create(MapType.QUEUE, "queue", 0, 8, 4) as table:
        table.update(b"", u64(5))
        assert table.lookup(b"") == u64(5)


def test_a_map_of_maps_holds_maps() -> None:
    with (
        maps.create(MapType.HASH, "inner", 4, 8, 4) as inner,
        maps.create(MapType.ARRAY_OF_MAPS, "outer", 4, 4, 2, inner=inner) as outer,
    ):
        outer.update(u32(0), u32(inner.fd.fileno()))
        assert outer.lookup(u32(0)) not in {None, u32(0)}  # the inner map's id


def test_a_frozen_map_cannot_be_written() -> None:
    with maps.create(MapType.ARRAY, ".rodata", 4, 8, 1, flags=MapFlag.RDONLY_PROG) as table:
        table.update(u32(0), u64(1))
        table.freeze()
        with pytest.raises(KernelError) as caught:
            table.update(u32(0), u64(2))
        assert table.lookup(u32(0)) == u64(1)
    assert caught.value.errno == errno.EPERM


def test_the_map_keeps_a_name_that_the_kernel_gets_converted() -> None:
    with maps.create(MapType.ARRAY, "a name/beyond fifteen", 4, 8, 1) as table:
        assert table.name == "a name/beyond fifteen"


def test_the_error_of_a_refused_map_is_one_line() -> None:
    with pytest.raises(KernelError) as caught:
        maps.create(MapType.ARRAY, "\x1b[2Jarray", 8, 8, 1)  # an array's key has 4 bytes
    assert str(caught.value) == r"map '\x1b[2Jarray': create: invalid argument (EINVAL)"
    assert caught.value.errno == errno.EINVAL


def test_descriptors_are_not_inherited() -> None:
    with maps.create(MapType.ARRAY, "array", 4, 8, 1) as table:
        assert fcntl.fcntl(table.fd.fileno(), fcntl.F_GETFD) & fcntl.FD_CLOEXEC


def test_using_a_closed_map_is_an_error() -> None:
    table = maps.create(MapType.ARRAY, "array", 4, 8, 1)
    table.close()
    with pytest.raises(ValueError, match="closed"):
        table.lookup(u32(0))


def test_a_map_can_be_closed_twice() -> None:
    table = maps.create(MapType.ARRAY, "array", 4, 8, 1)
    assert isinstance(table.fd, Fd)
    table.close()
    table.close()


def test_threads_can_read_a_map_at_the_same_time() -> None:
    with maps.create(MapType.ARRAY, "array", 4, 8, 64) as table:
        for number in range(64):
            table.update(u32(number), u64(number))
        wrong: list[int] = []

        def read() -> None:
            wrong.extend(
                [n for _ in range(20) for n in range(64) if table.lookup(u32(n)) != u64(n)]
            )

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
