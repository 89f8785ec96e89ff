"""Read a perf buffer: one ring per CPU, whole runs of records at a time.

::

    page 0    struct perf_event_mmap_page: data_head (written by the kernel), data_tail (by us)
    page 1..  data; a record may wrap to the beginning

    sample    | u32 type | u16 misc | u16 size | u32 length | bytes | up to 7 bytes of anything |
    lost      | u32 type | u16 misc | u16 size | u64 id | u64 lost |

``size`` is that of the whole record, ``length`` that of what follows it, with padding: the size of
the program's own data is not recorded. The sources are kernel/events/ring_buffer.c and
perf_output_sample. Positions only grow.

The records of one CPU are in the order in which they were written. The rings are read CPU by CPU,
so a record may precede an older one of another CPU, by at most the time between two readings
(``poll_period_s``).

bpf_perf_event_output fails on a CPU without a ring. When a CPU goes offline, its event is dead for
good: the kernel (perf_event_exit_cpu) neither reports this nor revives the event when the CPU is
online again, as after a suspend. So the reader checks every second whether each event still counts
time, and which CPUs are online. The number of records that were lost until then is unknown, unless
the programs count them (``CountedReader``).
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

_DATA_HEAD: Final = 1024 // 8  # in struct perf_event_mmap_page, as an index of 64-bit words
_DATA_TAIL: Final = 1032 // 8
_SKIP: Final = 12  # the bytes of a sample before its data: header and length
_LOST: Final = struct.Struct("QQQ")  # header, id, lost
_CHUNK: Final = 256 << 10  # bytes to copy at once
# bytes: a record and the LOST record before it are never longer, so while this many are free, the
# kernel drops nothing
_HEADROOM: Final = (1 << 16) + 64

_MAX_TOTAL: Final = 128 << 20  # bytes of all rings together
_MAX_RING: Final = 1 << 20  # bytes of one ring; see _COALESCE
_MIN_RING: Final = 128 << 10

# One wake-up per record costs the traced program 7 us in a virtual machine, where the record itself
# costs 0.05 us. So the kernel wakes us when a quarter of a ring is full, and we poll periodically
# (seconds) for fewer records.
_WAKE_FRACTION: Final = 4
_POLL_PERIOD: Final = 50e-3
_COALESCE: Final = 2.5e-3  # the time in which 200 MB/s fill half of 1 MiB
_COALESCE_PER_BYTE: Final = _COALESCE / _MAX_RING

_CHECK_PERIOD: Final = 1.0  # seconds between checks of the CPUs; each interrupts every CPU
_TICKS: Final = 20  # milliseconds; the kernel's coarsest clock advances within them


class PerfReader:
    """Reads ``map_``, which its collection owns; a perf array has one reader at a time.

    ``size`` is the size of each CPU's ring (bytes, a power of two; 0: by the number of CPUs). Rings
    are smaller if this process may not lock that much memory. ``counters``: ask the kernel for
    losses that no LOST record has reported yet (PERF_FORMAT_LOST, v6.0); without, and on older
    kernels, their number is unknown.

    Raises KernelError if the rings cannot be created, or the map already has a reader.
    """

    def __init__(self, map_: Map, schema: Schema, *, size: int = 0, counters: bool = True) -> None:
        self.schema = schema
        self.poll_period_s = _POLL_PERIOD
        self._map = map_
        self._name = safe(map_.name)
        self._barrier = Barrier()
        cpus = machine.online_cpus()
        share = 1 << (_MAX_TOTAL // len(cpus)).bit_length() - 1  # rounded down to a power of two
        self.size = size or max(_MIN_RING, min(_MAX_RING, share))
        self._counters = counters
        self._rings: list[_Ring] = []
        self._ringless: set[int] = set()  # CPUs for which no ring can be created
        self._unknown = False  # an unknown number was lost, which no batch reports yet
        self._checked = time.monotonic()
        with ExitStack() as resources:
            resources.callback(Claim(map_).close)
            self._epoll = resources.enter_context(select.epoll())
            resources.callback(self._drop_all)
            for cpu in cpus:
                self._add(cpu)
            self._resources = resources.pop_all()
        self.coalesce_s = self.size * _COALESCE_PER_BYTE

    def fileno(self) -> int:
        """Return the fd of an epoll over all rings, readable when a ring becomes a quarter full."""
        return self._epoll.fileno()

    def read(self) -> Iterator[Batch]:
        """Yield the records of each CPU's ring, up to its head when it is the ring's turn."""
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
        """Remove the rings from the map, unmap them, and allow another reader of the map."""
        self._resources.close()

    def _check_cpus(self) -> Iterator[Batch]:
        """Replace the rings of CPUs that were offline; yield the records that were left in them."""
        self._checked = time.monotonic()
        for ring in [ring for ring in self._rings if not ring.is_counting()]:
            yield from self._read(ring)
            self._drop(ring)
            self._unknown = True
            _log.warning(
                "map '%s': CPU %d went offline: what it sends before it has a new ring is lost",
                self._name,
                ring.cpu,
            )
        known = self._ringless.union([ring.cpu for ring in self._rings])
        for cpu in set(machine.online_cpus()) - known:
            self._unknown = True
            try:
                has_ring = self._add(cpu)
            except KernelError as error:
                self._ringless.add(cpu)
                _log.warning("%s; the records of this CPU are lost", error)
                continue
            if has_ring:
                _log.warning(
                    "map '%s': CPU %d came online: what it sent before it had a ring is lost",
                    self._name,
                    cpu,
                )

    def _add(self, cpu: int) -> bool:
        """Create a CPU's ring; return False if the CPU is offline or the map has no slot for it."""
        if cpu >= self._map.max_entries:
            self._ringless.add(cpu)
            self._unknown = True
            _log.warning("map '%s': no slot for CPU %d: its records are lost", self._name, cpu)
        elif ring := self._ring(cpu):
            with ExitStack() as undo:
                undo.callback(ring.close)
                self._epoll.register(ring.event, select.EPOLLIN)
                self._map.update(_slot(cpu), ring.event.fileno().to_bytes(4, "little"))
                undo.pop_all()
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
        """Return a new ring of a CPU, None if the CPU is offline."""
        where = f"map '{self._name}': CPU {cpu}"
        while True:
            attr = uapi.PerfEventAttr(
                type=uapi.PERF_TYPE_SOFTWARE,
                config=uapi.PERF_COUNT_SW_BPF_OUTPUT,
                sample_period=1,
                sample_type=uapi.PERF_SAMPLE_RAW,
                read_format=uapi.PERF_FORMAT_TOTAL_TIME_ENABLED
                | (uapi.PERF_FORMAT_LOST if self._counters else 0),
                bits=uapi.PERF_ATTR_WATERMARK,
                wakeup_events=self.size // _WAKE_FRACTION,
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
                _log.info("%s: may not lock that much memory, trying %d bytes", where, self.size)

    def _read(self, ring: "_Ring") -> Iterator[Batch]:
        """Yield the records of a ring and the number of lost ones.

        The kernel writes a LOST record only before the next sample that fits, so the last loss is
        not in the ring. If the ring was nearly full, the event's own counter of losses is read, if
        it has one.
        """
        tail, head = ring.own[_DATA_TAIL], ring.own[_DATA_HEAD]
        self._barrier.fence()  # load the head before the data
        if not 0 <= head - tail <= ring.size:
            raise KernelError(
                f"map '{self._name}': perf buffer: tail at {tail}, but head at {head}"
            )
        # nearly full last time, and no records since: records may have been lost without a LOST
        # record
        unknown = ring.near_full and tail == head and not self._counters
        ring.near_full = not unknown and head - ring.before > ring.size - _HEADROOM
        ring.before = tail
        lost: int | None = None if unknown else 0
        while tail < head:
            chunk = ring.copy(tail, min(head - tail, _CHUNK))
            self._barrier.fence()  # load the data before the kernel may overwrite it
            offset = 0
            for kind, size, count in self._walk(chunk, tail, final=head - tail == len(chunk)):
                end = offset + size * count
                ring.own[_DATA_TAIL] = tail + end
                if kind == uapi.PERF_RECORD_LOST:
                    reported = sum(
                        [_LOST.unpack_from(chunk, start)[2] for start in range(offset, end, size)]
                    )
                    lost = (lost or 0) + ring.add_reported_lost(reported)
                elif kind == uapi.PERF_RECORD_SAMPLE:
                    yield self._batch(chunk[offset:end], size, count, lost)
                    lost = 0
                offset = end
            tail += offset
        if ring.near_full and self._counters:
            lost = (lost or 0) + ring.read_lost_counter()
            ring.before = tail  # a later loss is only possible if the ring fills up again from here
        if lost != 0:
            yield self._batch(b"", _SKIP, 0, lost)

    def _batch(self, raw: bytes, size: int, count: int, lost: int | None) -> Batch:
        """Return the batch of ``count`` samples, each a record of ``size`` bytes."""
        return Batch(
            self.schema,
            (Part(raw, size, _SKIP),),
            records=count,
            length=size - _SKIP,
            time_ns=time.time_ns(),
            lost=lost,
        )

    def _walk(self, chunk: bytes, start: int, *, final: bool) -> Iterator[tuple[int, int, int]]:
        """Yield type, size and number of each run of records; stop at one that the chunk cuts.

        ``start`` is the chunk's position. ``final``: it is the last chunk, so every record must end
        in it.
        """
        words, halves = memoryview(chunk).cast("I"), memoryview(chunk).cast("H")
        offset, end = 0, len(chunk)
        while offset < end:
            kind, size = words[offset >> 2], halves[(offset >> 1) + 3]
            if size < 8 or size % 8 or (final and offset + size > end):
                where = f"map '{self._name}': perf buffer: record at {start + offset}"
                raise KernelError(f"{where}: invalid size {size}, {end - offset} bytes left")
            if offset + size > end:
                return
            most = (end - offset) // size
            count = run_length(most, _equal_headers(words, halves, offset, size))
            yield kind, size, count
            offset += size * count


def _equal_headers(
    words: memoryview, halves: memoryview, first: int, step: int
) -> Callable[[int, int], bool]:
    """Return the ``equal`` of ``run_length`` for records that follow one another from ``first``.

    Records of one size are ``step`` bytes apart, so their types are a strided column of words, and
    their sizes one of halfwords; each column is compared with itself shifted by one record.
    ``misc``, between the two, has the CPU's mode and may differ.
    """

    def equal(low: int, high: int) -> bool:
        kind, size = (first + low * step) >> 2, (first + low * step >> 1) + 3
        kinds, sizes = step >> 2, step >> 1
        types, end = slice(kind, kind + (high - low) * kinds, kinds), size + (high - low) * sizes
        before = slice(kind - kinds, types.stop - kinds, kinds)
        return (
            halves[size:end:sizes] == halves[size - sizes : end - sizes : sizes]
            and words[types] == words[before]
        )

    return equal


def _slot(cpu: int) -> bytes:
    return cpu.to_bytes(4, "little")


class _Ring:
    """Owns the perf ``event`` of a CPU and its mapped pages.

    ``before`` is the tail when the previous reading began: since then, the ring never held more
    than the bytes between it and the head. ``near_full``: records may have been dropped.
    """

    def __init__(self, cpu: int, event: Fd, size: int) -> None:
        self.cpu = cpu
        self.event = event
        self.size = size
        self.before = 0
        self.near_full = False
        self._pages = mmap.mmap(event.fileno(), mmap.PAGESIZE + size)
        self.own = memoryview(self._pages)[: mmap.PAGESIZE].cast("Q")
        self._reported = 0  # losses in LOST records
        self._counted = 0  # losses in batches

    def copy(self, position: int, count: int) -> bytes:
        """Return a copy of ``count`` bytes from ``position`` on."""
        base, size = mmap.PAGESIZE, self.size
        start = position & size - 1
        end = start + count
        if end <= size:
            return self._pages[base + start : base + end]
        return self._pages[base + start : base + size] + self._pages[base : base + end - size]

    def add_reported_lost(self, lost: int) -> int:
        """Add the losses of LOST records; return how many of them no batch has reported."""
        self._reported += lost
        return self._count(self._reported)

    def read_lost_counter(self) -> int:
        """Read the kernel's counter of losses; return how many of them no batch has reported."""
        return self._count(self._values()[2])

    def is_counting(self) -> bool:
        """Return whether the event counts time; it stops for good when its CPU goes offline."""
        before = self._values()[1]
        for _ in range(_TICKS):
            if self._values()[1] > before:
                return True
            time.sleep(1e-3)
        return False

    def _values(self) -> tuple[int, ...]:
        """Return the event's count, how long it was enabled (ns), and its losses if requested."""
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
