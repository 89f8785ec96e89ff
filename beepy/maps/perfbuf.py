"""Read a perf buffer: one ring a CPU, whole runs of records at a time.

::

    page 0    struct perf_event_mmap_page: data_head (the kernel's) and data_tail (ours)
    page 1..  data; a record may go on at the beginning

    sample    | u32 type | u16 misc | u16 size | u32 length | bytes | up to 7 bytes of anything |
    lost      | u32 type | u16 misc | u16 size | u64 id | u64 lost |

``size`` counts all of it, ``length`` what follows it: nothing says where a record's own bytes end.
kernel/events/ring_buffer.c and perf_output_sample are the source. Positions only grow.

The records of one CPU are in the order in which they were written. Those of several are read CPU by CPU: a record may
come before an older one of another CPU, by as much as one reading covers (``poll_period_s`` at the longest).

bpf_perf_event_output fails on a CPU without a ring. A CPU that goes offline takes its event along for good: the kernel
(perf_event_exit_cpu) does not report it, nor give it back when the CPU is online again, as after a suspend. So the
reader looks now and then whether each event still counts time, and which CPUs are online. What was lost until then is
unknown.
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
from beepy.host import machine
from beepy.kernel.map import Map
from beepy.log import Log
from beepy.maps.barrier import Barrier
from beepy.maps.claim import Claim
from beepy.maps.runs import run_length
from beepy.sys import syscall
from beepy.sys.fd import Fd
from beepy.text import safe

_log = Log(__name__)

_DATA_HEAD: Final = 1024 // 8  # in struct perf_event_mmap_page, in words of 64 bits
_DATA_TAIL: Final = 1032 // 8
_SKIP: Final = 12  # a sample's header and length
_LOST: Final = struct.Struct("QQQ")
_CHUNK: Final = 256 << 10  # bytes that are copied at once
# bytes: no record with a LOST record before it is longer; while so many are free, the kernel drops nothing
_HEADROOM: Final = (1 << 16) + 64

_ALL: Final = 128 << 20  # bytes of all rings together, at most
_MOST: Final = 1 << 20  # of one; see _COALESCE
_LEAST: Final = 128 << 10

# A wake-up for each record costs the traced program 7 us in a virtual machine, where a record alone costs 0.05 us. So
# the kernel wakes us when a quarter of a ring is full, and we look now and then (seconds) for the few that came alone.
_WAKE: Final = 4
_POLL_PERIOD: Final = 50e-3
_COALESCE: Final = 2.5e-3  # in which 200 MB/s fill half of 1 MiB
_COALESCE_BYTE: Final = _COALESCE / _MOST

_CHECK_PERIOD: Final = 1.0  # seconds between two checks of the CPUs; each interrupts all of them
_TICKS: Final = 20  # milliseconds in which the kernel's coarsest clock goes on


class PerfReader:
    """Reads ``map_``, which stays its collection's; a perf array has one reader at a time.

    ``size`` is that of each CPU's ring (bytes, a power of two; 0: as many CPUs allow); smaller where so much may not be
    locked. ``counters``: ask the kernel for losses that no LOST record has reported yet (PERF_FORMAT_LOST,
    v6.0); otherwise, and on older kernels, such a loss is unknown.

    Raises KernelError when the rings cannot be made, or somebody else reads the map.
    """

    def __init__(self, map_: Map, schema: Schema, *, size: int = 0, counters: bool = True) -> None:
        self.schema = schema
        self.poll_period_s = _POLL_PERIOD
        self._map = map_
        self._name = safe(map_.name)
        self._barrier = Barrier()
        cpus = machine.online_cpus()
        self.size = size or max(_LEAST, min(_MOST, 1 << (_ALL // len(cpus)).bit_length() - 1))
        self._counters = counters
        self._rings: list[_Ring] = []
        self._ringless: set[int] = set()  # CPUs that cannot have a ring
        self._unknown = False  # records were lost, nobody knows how many, and no batch says so yet
        self._checked = time.monotonic()
        with ExitStack() as resources:
            resources.callback(Claim(map_).close)
            self._epoll = resources.enter_context(select.epoll())
            resources.callback(self._drop_all)
            for cpu in cpus:
                self._add(cpu)
            self._resources = resources.pop_all()
        self.coalesce_s = self.size * _COALESCE_BYTE

    def fileno(self) -> int:
        """Return the descriptor of an epoll over all rings: readable when one of them became a quarter full."""
        return self._epoll.fileno()

    def read(self) -> Iterator[Batch]:
        """Yield the records of each CPU's ring, up to its end when its turn comes."""
        for ring in self._rings:
            yield from self._read(ring)
        if time.monotonic() - self._checked >= _CHECK_PERIOD:
            yield from self._check_cpus()
        if self._unknown:
            self._unknown = False
            yield self._batch(b"", _SKIP, 0, None)

    def end(self) -> Iterator[Batch]:
        """Yield the losses that are known only when no more is read."""
        self._checked = -_CHECK_PERIOD
        yield from self.read()

    def close(self) -> None:
        """Remove the rings from the map, unmap them, and let another reader have it."""
        self._resources.close()

    def _check_cpus(self) -> Iterator[Batch]:
        """Give CPUs that were offline a new ring, after reading their old one to its end; yield what that had."""
        self._checked = time.monotonic()
        for ring in [ring for ring in self._rings if not ring.is_counting()]:
            yield from self._read(ring)
            self._drop(ring)
            self._unknown = True
            _log.warning(
                "map '%s': CPU %d went offline: how many of its records were lost is unknown", self._name, ring.cpu
            )
        for cpu in set(machine.online_cpus()).difference(self._ringless, [ring.cpu for ring in self._rings]):
            self._unknown = True
            try:
                added = self._add(cpu)
            except KernelError as error:
                self._ringless.add(cpu)
                _log.warning("%s; the records of this CPU are lost", error)
                continue
            if added:
                _log.warning(
                    "map '%s': CPU %d came online: how many of its records were lost is unknown", self._name, cpu
                )

    def _add(self, cpu: int) -> bool:
        """Give a CPU a ring, unless it is offline by now or the map has no room for it; tell whether it has one."""
        if cpu >= self._map.max_entries:
            self._ringless.add(cpu)
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

                    raise privilege.with_capability(error, "CAP_PERFMON") from None
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
        """Give a ring's records, and what is known of its losses.

        The kernel writes a LOST record only before the next sample that fits. So a loss that nothing follows is
        invisible in the ring: where the ring was nearly full, the event's own counter is read, if it has one.
        """
        tail, head = ring.own[_DATA_TAIL], ring.own[_DATA_HEAD]
        self._barrier.fence()  # the head before the data that it covers
        if not 0 <= head - tail <= ring.size:
            raise KernelError(f"map '{self._name}': perf buffer: tail at {tail}, but head at {head}")
        # near full last time, and nothing has come since: no LOST record reports what may have been lost
        unknown = ring.near_full and tail == head and not self._counters
        ring.near_full = not unknown and head - ring.before > ring.size - _HEADROOM
        ring.before = tail
        lost: int | None = None if unknown else 0
        while tail < head:
            chunk = ring.copy(tail, min(head - tail, _CHUNK))
            self._barrier.fence()  # the data before our tail, which lets the kernel write over it
            at = 0
            for kind, size, count in self._walk(chunk, tail, final=head - tail == len(chunk)):
                end = at + size * count
                ring.own[_DATA_TAIL] = tail + end
                if kind == uapi.PERF_RECORD_LOST:
                    reported = sum([_LOST.unpack_from(chunk, start)[2] for start in range(at, end, size)])
                    lost = (lost or 0) + ring.add_reported_lost(reported)
                elif kind == uapi.PERF_RECORD_SAMPLE:
                    yield self._batch(chunk[at:end], size, count, lost)
                    lost = 0
                at = end
            tail += at
        if ring.near_full and self._counters:
            lost = (lost or 0) + ring.read_lost_counter()
            ring.before = tail  # what is lost from now on finds the ring full again, from here on
        if lost != 0:
            yield self._batch(b"", _SKIP, 0, lost)

    def _batch(self, raw: bytes, size: int, count: int, lost: int | None) -> Batch:
        """Return the batch of ``count`` samples, each a record of ``size`` bytes."""
        return Batch(self.schema, (Part(raw, size, _SKIP),), count, size - _SKIP, time.time_ns(), lost)

    def _walk(self, chunk: bytes, start: int, *, final: bool) -> Iterator[tuple[int, int, int]]:
        """Yield type, size and number of each run of records; a record that ends after the chunk is left for the next.

        ``start`` is the chunk's position. ``final``: it is the last chunk, in which every record must end.
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
            count = run_length((end - at) // size, _equal_headers(words, halves, at, size))
            yield kind, size, count
            at += size * count


def _equal_headers(words: memoryview, halves: memoryview, first: int, step: int) -> Callable[[int, int], bool]:
    """Return what tells whether records ``low`` to ``high`` have the type and size of the one before each.

    Records of one size are ``step`` bytes apart, so their types are a strided column of words, and their sizes one of
    halfwords; each column is compared with itself shifted by one record. ``misc``, between the two, has the CPU's mode
    and may differ.
    """

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
    head. ``near_full``: this may have left no room for a record.
    """

    def __init__(self, cpu: int, event: Fd, size: int) -> None:
        self.cpu = cpu
        self.event = event
        self.size = size
        self.before = 0
        self.near_full = False
        self._pages = mmap.mmap(event.fileno(), mmap.PAGESIZE + size)
        self.own = memoryview(self._pages)[: mmap.PAGESIZE].cast("Q")
        self._reported = 0  # by LOST records
        self._counted = 0  # given to batches already

    def copy(self, position: int, count: int) -> bytes:
        """Return the bytes from ``position`` on."""
        base, size = mmap.PAGESIZE, self.size
        start = position & size - 1
        end = start + count
        if end <= size:
            return self._pages[base + start : base + end]
        return self._pages[base + start : base + size] + self._pages[base : base + end - size]

    def add_reported_lost(self, lost: int) -> int:
        """Add what LOST records report; return how much of it is new."""
        self._reported += lost
        return self._count(self._reported)

    def read_lost_counter(self) -> int:
        """Ask the kernel how many records were lost; return how many of them are new."""
        return self._count(self._values()[2])

    def is_counting(self) -> bool:
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
