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
    """Return all entries, and how many batches it took."""
    entries: dict[bytes, bytes] = {}
    cursor, batches = None, 0
    while True:
        keys, values, found, cursor = table.lookup_batch(cursor, count)
        size, span = table.key_size, table.value_span
        assert (len(keys), len(values)) == (found * size, found * span)
        entries.update((keys[i * size : (i + 1) * size], values[i * span : (i + 1) * span]) for i in range(found))
        batches += 1
        if cursor is None:
            return entries, batches


def test_a_hash_keeps_entries() -> None:
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


def test_an_update_goes_by_its_flags() -> None:
    with maps.create(MapType.HASH, "hash", 4, 8, 1) as table:
        with pytest.raises(KernelError) as missing:
            table.update(u32(1), u64(1), UpdateFlag.EXIST)
        table.update(u32(1), u64(1), UpdateFlag.NOEXIST)
        with pytest.raises(KernelError) as there:
            table.update(u32(1), u64(1), UpdateFlag.NOEXIST)
        with pytest.raises(KernelError) as full:
            table.update(u32(2), u64(1))
    assert [caught.value.errno for caught in (missing, there, full)] == [errno.ENOENT, errno.EEXIST, errno.E2BIG]
    assert str(full.value) == "map 'hash': update: argument list too long (E2BIG)"


def test_lengths_are_checked_before_the_kernel_reads_past_the_end() -> None:
    with maps.create(MapType.HASH, "hash", 4, 8, 1) as table:
        with pytest.raises(KernelError, match="map 'hash': look-up: key of 3 bytes, expected 4"):
            table.lookup(b"abc")
        with pytest.raises(KernelError, match="map 'hash': update: value of 4 bytes, expected 8"):
            table.update(u32(1), b"abcd")


@pytest.mark.parametrize("count", [64, 256, 1024])
def test_batches_read_a_hash_whole(count: int) -> None:
    expected = {u32(number): u64(number * 3) for number in range(500)}
    with maps.create(MapType.HASH, "hash", 4, 8, 500) as table:
        for key, value in expected.items():
            table.update(key, value)
        entries, batches = read_all(table, count)
    assert entries == expected
    assert batches >= -(-500 // count)


def test_a_batch_of_an_empty_hash_is_the_end() -> None:
    with maps.create(MapType.HASH, "hash", 4, 8, 4) as table:
        assert table.lookup_batch(None, 8) == (b"", b"", 0, None)


def test_a_bucket_that_does_not_fit_is_enospc() -> None:
    with maps.create(MapType.HASH, "hash", 4, 8, 4096) as table:
        for number in range(4096):
            table.update(u32(number), u64(0))
        with pytest.raises(KernelError) as caught:
            read_all(table, 1)  # 4096 keys in 4096 buckets: some bucket has two
    assert caught.value.errno == errno.ENOSPC


def test_batches_read_an_array() -> None:
    with maps.create(MapType.ARRAY, "array", 4, 8, 10) as table:
        table.update(u32(7), u64(70))
        entries, batches = read_all(table, 4)
    assert entries == {u32(number): u64(70 if number == 7 else 0) for number in range(10)}
    assert batches == 3


def test_a_map_without_batches_says_so() -> None:
    with maps.create(MapType.QUEUE, "queue", 0, 8, 4) as table, pytest.raises(KernelError) as caught:
        table.lookup_batch(None, 4)
    assert caught.value.errno in {errno.EINVAL, 524}


@pytest.mark.parametrize("kind", [MapType.PERCPU_ARRAY, MapType.PERCPU_HASH, MapType.LRU_PERCPU_HASH])
def test_a_value_of_a_per_cpu_map_has_a_slot_for_each_cpu(kind: MapType) -> None:
    with maps.create(kind, "percpu", 4, 12, 4) as table:
        assert table.value_span == 16 * possible_cpus()
        value = b"".join([struct.pack("=IIII", cpu, cpu + 1, cpu + 2, 0) for cpu in range(possible_cpus())])
        table.update(u32(2), value)
        found = table.lookup(u32(2))
        entries, _ = read_all(table, 4)
    assert found == value
    assert entries[u32(2)] == value


def test_a_queue_has_no_keys() -> None:
    with maps.create(MapType.QUEUE, "queue", 0, 8, 4) as table:
        table.update(b"", u64(5))
        assert table.lookup(b"") == u64(5)


def test_maps_of_maps_take_an_inner_one() -> None:
    with (
        maps.create(MapType.HASH, "inner", 4, 8, 4) as inner,
        maps.create(MapType.ARRAY_OF_MAPS, "outer", 4, 4, 2, inner=inner) as outer,
    ):
        outer.update(u32(0), u32(inner.fd.fileno()))
        assert outer.lookup(u32(0)) not in {None, u32(0)}  # the inner map's id


def test_a_frozen_map_cannot_be_written() -> None:
    with maps.create(MapType.ARRAY, ".rodata", 4, 8, 1, MapFlag.RDONLY_PROG) as table:
        table.update(u32(0), u64(1))
        table.freeze()
        with pytest.raises(KernelError) as caught:
            table.update(u32(0), u64(2))
        assert table.lookup(u32(0)) == u64(1)
    assert caught.value.errno == errno.EPERM


def test_the_kernel_sees_a_name_that_it_takes() -> None:
    with maps.create(MapType.ARRAY, "a name/beyond fifteen", 4, 8, 1) as table:
        assert table.name == "a name/beyond fifteen"


def test_a_refused_map_is_one_line() -> None:
    with pytest.raises(KernelError) as caught:
        maps.create(MapType.ARRAY, "\x1b[2Jarray", 8, 8, 1)  # an array's key has 4 bytes
    assert str(caught.value) == r"map '\x1b[2Jarray': create: invalid argument (EINVAL)"
    assert caught.value.errno == errno.EINVAL


def test_descriptors_are_not_inherited() -> None:
    with maps.create(MapType.ARRAY, "array", 4, 8, 1) as table:
        assert fcntl.fcntl(table.fd.fileno(), fcntl.F_GETFD) & fcntl.FD_CLOEXEC


def test_a_closed_map_is_not_asked() -> None:
    table = maps.create(MapType.ARRAY, "array", 4, 8, 1)
    table.close()
    with pytest.raises(ValueError, match="closed"):
        table.lookup(u32(0))


def test_a_map_owns_its_fd_alone() -> None:
    table = maps.create(MapType.ARRAY, "array", 4, 8, 1)
    assert isinstance(table.fd, Fd)
    table.close()
    table.close()


def test_threads_may_read_at_once() -> None:
    with maps.create(MapType.ARRAY, "array", 4, 8, 64) as table:
        for number in range(64):
            table.update(u32(number), u64(number))
        wrong: list[int] = []

        def read() -> None:
            wrong.extend([n for _ in range(20) for n in range(64) if table.lookup(u32(n)) != u64(n)])

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
