"""Read a perf buffer: one ring a CPU, whole runs of records at a time.

::

    page 0    struct perf_event_mmap_page: data_head (the kernel's) and data_tail (ours)
    page 1..  data; a record may go on at the beginning

    sample    | u32 type | u16 misc | u16 size | u32 length | bytes | up to 7 bytes of anything |
    lost      | u32 type | u16 misc | u16 size | u64 id | u64 lost |

``size`` counts all of it, ``length`` what follows it: the kernel does not tell where a record's own bytes end.
kernel/events/ring_buffer.c and perf_output_sample are the source. Positions only grow.

The records of one CPU are in the order in which they were written. Those of several are read CPU by CPU: a record may
come before an older one of another CPU, by as much as one reading covers (``patience`` at the longest).

bpf_perf_event_output fails on a CPU without a ring. A CPU that goes offline takes its event along for good: the kernel
(perf_event_exit_cpu) neither tells, nor gives it back when the CPU is online again, as after a suspend. So the reader
looks now and then whether each event still counts time, and which CPUs are online. What was lost until then is unknown.
"""

import errno
import mmap
import os
import select
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Final

from beepy import uapi
from beepy.errors import KernelError
from beepy.events.batch import Batch, Part, Schema
from beepy.kernel import host, syscall
from beepy.kernel.fd import Fd
from beepy.kernel.map import Map
from beepy.log import Log
from beepy.maps import runs
from beepy.maps.claim import Claim
from beepy.maps.fence import Fence
from beepy.text import safe

_log = Log(__name__)

_DATA_HEAD: Final = 1024 // 8  # in struct perf_event_mmap_page, in words of 64 bits
_DATA_TAIL: Final = 1032 // 8
_SKIP: Final = 12  # a sample's header and length
_LOST: Final = struct.Struct("QQQ")
_CHUNK: Final = 256 << 10  # bytes that are copied at once
_SURE: Final = (
    1 << 16
) + 64  # bytes: no record, and no LOST before it, is longer, so where they are free none was lost

_ALL: Final = 128 << 20  # bytes of all rings together
_MOST: Final = 1 << 20  # of one; see _WINDOW
_LEAST: Final = 128 << 10

# A wake-up for each record costs the traced program 7 us in a virtual machine, where a record alone costs 0.05 us. So
# the kernel wakes us when a quarter of a ring is full, and we look now and then (seconds) for the few that came alone.
_WAKE: Final = 4
_PATIENCE: Final = 50e-3
_WINDOW: Final = 2.5e-3  # in which 200 MB/s fill half of 1 MiB
_WINDOW_BYTE: Final = _WINDOW / _MOST

_LOOK: Final = 1.0  # seconds between two looks at the CPUs; it interrupts each of them
_TICKS: Final = 20  # milliseconds in which the kernel's coarsest clock goes on


class PerfReader:
    """Reads ``map_``, which stays its collection's; a perf array has one reader at a time.

    ``size`` is that of each CPU's ring (bytes, a power of two; 0: as many CPUs allow); smaller where so much may not be
    locked. ``counters``: ask the kernel for losses that no LOST record has told of yet (PERF_FORMAT_LOST, v6.0);
    otherwise, and on older kernels, such a loss is unknown.

    Raises KernelError when the rings cannot be made, or somebody else reads the map.
    """

    def __init__(self, map_: Map, schema: Schema, *, size: int = 0, counters: bool = True) -> None:
        self.schema = schema
        self.patience = _PATIENCE
        self._map = map_
        self._name = safe(map_.name)
        self._fence = Fence()
        cpus = host.online_cpus()
        self.size = size or max(_LEAST, min(_MOST, 1 << (_ALL // len(cpus)).bit_length() - 1))
        self._counters = counters
        self._rings: list[_Ring] = []
        self._without: set[int] = set()  # CPUs that cannot have a ring
        self._unknown = False  # records were lost, nobody knows how many, and no batch told yet
        self._looked = time.monotonic()
        with ExitStack() as made:
            made.callback(Claim(map_).close)
            self._epoll = made.enter_context(select.epoll())
            made.callback(self._drop_all)
            for cpu in cpus:
                self._add(cpu)
            self._made = made.pop_all()
        self.window = self.size * _WINDOW_BYTE

    def fileno(self) -> int:
        """Return the descriptor of an epoll over all rings: readable when one of them became a quarter full."""
        return self._epoll.fileno()

    def read(self) -> Iterator[Batch]:
        """Give the records of each CPU's ring, up to where it ends when its turn comes."""
        for ring in self._rings:
            yield from self._read(ring)
        if time.monotonic() - self._looked >= _LOOK:
            yield from self._look()
        if self._unknown:
            self._unknown = False
            yield self._batch(b"", _SKIP, 0, None)

    def end(self) -> Iterator[Batch]:
        """Give what is known of losses only at the end."""
        self._looked = -_LOOK
        yield from self.read()

    def close(self) -> None:
        """Take the rings out of the map and unmap them; let another reader have it."""
        self._made.close()

    def _look(self) -> Iterator[Batch]:
        """Give CPUs that were offline a new ring, after reading their old one to its end."""
        self._looked = time.monotonic()
        for ring in [ring for ring in self._rings if not ring.counts()]:
            yield from self._read(ring)
            self._drop(ring)
            self._unknown = True
            _log.warning(
                "map '%s': CPU %d went offline: how many of its records were lost is unknown", self._name, ring.cpu
            )
        for cpu in set(host.online_cpus()).difference(self._without, [ring.cpu for ring in self._rings]):
            self._unknown = True
            try:
                added = self._add(cpu)
            except KernelError as error:
                self._without.add(cpu)
                _log.warning("%s; the records of this CPU are lost", error)
                continue
            if added:
                _log.warning(
                    "map '%s': CPU %d came online: how many of its records were lost is unknown", self._name, cpu
                )

    def _add(self, cpu: int) -> bool:
        """Give a CPU a ring, unless it is offline by now or the map has no room for it; tell whether it has one."""
        if cpu >= self._map.max_entries:
            self._without.add(cpu)
            self._unknown = True
            _log.warning("map '%s': has no room for CPU %d, whose records are lost", self._name, cpu)
        elif ring := self._ring(cpu):
            with ExitStack() as unless:
                unless.callback(ring.close)
                self._epoll.register(ring.event, select.EPOLLIN)
                self._map.update(_slot(cpu), ring.event.fileno().to_bytes(4, "little"))
                unless.pop_all()
            self._rings.append(ring)
            return True
        return False

    def _drop(self, ring: "_Ring") -> None:
        self._rings.remove(ring)
        with ExitStack() as steps:
            steps.callback(ring.close)
            self._epoll.unregister(ring.event)
            self._map.delete(_slot(ring.cpu))

    def _drop_all(self) -> None:
        with ExitStack() as steps:
            for ring in self._rings:
                steps.callback(self._drop, ring)  # all of them, even if one fails

    def _ring(self, cpu: int) -> "_Ring | None":
        """Return a CPU's ring; None if it went offline."""
        where = f"map '{self._name}': CPU {cpu}"
        while True:
            attr = uapi.PerfEventAttr(
                type=uapi.PERF_TYPE_SOFTWARE,
                config=uapi.PERF_COUNT_SW_BPF_OUTPUT,
                sample_period=1,
                sample_type=uapi.PERF_SAMPLE_RAW,
                read_format=uapi.PERF_FORMAT_TOTAL_TIME_ENABLED | (uapi.PERF_FORMAT_LOST if self._counters else 0),
                bits=uapi.PERF_ATTR_WATERMARK,
                wakeup_events=self.size // _WAKE,
            )
            try:
                event = syscall.perf_event_open(attr, f"{where}: perf event", cpu=cpu)
            except KernelError as error:
                if error.errno == errno.ENODEV:
                    return None
                if error.errno != errno.EINVAL or not self._counters:
                    from beepy.kernel import privilege  # noqa: PLC0415 - only where the kernel refuses

                    raise privilege.named(error, "CAP_PERFMON") from None
                self._counters = False
                continue
            try:
                return _Ring(cpu, event, self.size)
            except OSError as error:
                event.close()
                if error.errno != errno.EPERM or self.size <= mmap.PAGESIZE:
                    raise KernelError.of(f"{where}: mmap", error) from None
                self.size //= 2
                _log.info("%s: may not lock so much memory, trying %d bytes", where, self.size)

    def _read(self, ring: "_Ring") -> Iterator[Batch]:
        tail, head = ring.own[_DATA_TAIL], ring.own[_DATA_HEAD]
        self._fence.order()
        if not 0 <= head - tail <= ring.size:
            raise KernelError(f"map '{self._name}': perf buffer: tail at {tail}, but head at {head}")
        unknown = ring.doubt and tail == head and not self._counters  # no LOST record can follow
        ring.doubt = not unknown and head - ring.before > ring.size - _SURE
        ring.before = tail
        lost: int | None = None if unknown else 0
        while tail < head:
            chunk = ring.copy(tail, min(head - tail, _CHUNK))
            self._fence.order()
            at = 0
            for kind, size, count in self._walk(chunk, tail, final=head - tail == len(chunk)):
                end = at + size * count
                ring.own[_DATA_TAIL] = tail + end
                if kind == uapi.PERF_RECORD_LOST:
                    told = sum([_LOST.unpack_from(chunk, each)[2] for each in range(at, end, size)])
                    lost = (lost or 0) + ring.told(told)
                elif kind == uapi.PERF_RECORD_SAMPLE:
                    yield self._batch(chunk[at:end], size, count, lost)
                    lost = 0
                at = end
            tail += at
        if ring.doubt and self._counters:
            lost = (lost or 0) + ring.unseen()
            ring.before = tail  # what is lost from now on finds the ring full again, from here on
        if lost != 0:
            yield self._batch(b"", _SKIP, 0, lost)

    def _batch(self, raw: bytes, size: int, count: int, lost: int | None) -> Batch:
        """Return the batch of ``count`` samples of ``size`` bytes."""
        return Batch(self.schema, (Part(raw, size, _SKIP),), count, size - _SKIP, time.time_ns(), lost)

    def _walk(self, chunk: bytes, start: int, *, final: bool) -> Iterator[tuple[int, int, int]]:
        """Return type, size and number of each run of records; one that ends beyond the chunk waits for the next.

        ``start`` is the chunk's position, ``final`` that nothing comes after it.
        """
        words, halves = memoryview(chunk).cast("I"), memoryview(chunk).cast("H")
        at, end = 0, len(chunk)
        while at < end:
            kind, size = words[at >> 2], halves[(at >> 1) + 3]
            if size < 8 or size % 8 or (final and at + size > end):
                where = f"map '{self._name}': perf buffer: record at {start + at}"
                raise KernelError(f"{where}: has {size} bytes, {end - at} are there")
            if at + size > end:
                return
            count = runs.length((end - at) // size, _alike(words, halves, at, size))
            yield kind, size, count
            at += size * count


def _alike(words: memoryview, halves: memoryview, first: int, step: int) -> Callable[[int, int], bool]:
    """Return what compares columns of types and sizes; between them stands the CPU's mode, which may differ."""

    def equal(low: int, high: int) -> bool:
        kind, size = (first + low * step) >> 2, (first + low * step >> 1) + 3
        kinds, sizes = step >> 2, step >> 1
        types, end = slice(kind, kind + (high - low) * kinds, kinds), size + (high - low) * sizes
        before = slice(kind - kinds, types.stop - kinds, kinds)
        return halves[size:end:sizes] == halves[size - sizes : end - sizes : sizes] and words[types] == words[before]

    return equal


def _slot(cpu: int) -> bytes:
    return cpu.to_bytes(4, "little")


class _Ring:
    """Owns the ``event`` of ``cpu`` and its pages.

    ``before`` is the tail when the previous reading began: the ring was never fuller since then than from there to the
    head. ``doubt`` says that this may have left no room for a record.
    """

    def __init__(self, cpu: int, event: Fd, size: int) -> None:
        self.cpu = cpu
        self.event = event
        self.size = size
        self.before = 0
        self.doubt = False
        self._pages = mmap.mmap(event.fileno(), mmap.PAGESIZE + size)
        self.own = memoryview(self._pages)[: mmap.PAGESIZE].cast("Q")
        self._told = 0  # by LOST records
        self._counted = 0  # by all that was asked

    def copy(self, position: int, count: int) -> bytes:
        """Return the bytes from ``position`` on."""
        base, size = mmap.PAGESIZE, self.size
        start = position & size - 1
        end = start + count
        if end <= size:
            return self._pages[base + start : base + end]
        return self._pages[base + start : base + size] + self._pages[base : base + end - size]

    def told(self, lost: int) -> int:
        """Take what LOST records say; return how much of it is new."""
        self._told += lost
        return self._count(self._told)

    def unseen(self) -> int:
        """Return how many records were lost that nothing told of yet."""
        return self._count(self._values()[2])

    def counts(self) -> bool:
        """Tell whether the event still counts time: it does as long as its CPU was never offline."""
        before = self._values()[1]
        for _ in range(_TICKS):
            if self._values()[1] > before:
                return True
            time.sleep(1e-3)
        return False

    def _values(self) -> tuple[int, ...]:
        """Return what the event counted, for how long it was enabled (ns), and if asked for, what it lost."""
        values = os.read(self.event.fileno(), 24)
        return struct.unpack(f"{len(values) // 8}Q", values)

    def _count(self, total: int) -> int:
        new = max(0, total - self._counted)
        self._counted += new
        return new

    def close(self) -> None:
        """Unmap the pages and close the event."""
        self.own.release()
        self._pages.close()
        self.event.close()
