"""The poll loop: readers -> batches.

Rings are read when they have records, tables on demand::

    loop   poll(rings, wake) -> wait for the window -> drain the rings -> read the demanded tables
    end    detach -> drain the rings -> their last losses -> a last snapshot of every table

Rings are read at most once per window of a few milliseconds. A single event is read at once. Where
events come faster, unread ones suppress the kernel's wake-ups, which would cost the traced programs
more than anything else. Perf buffers wake us only when they are partly full, so they are also
polled periodically (``Reader.poll_period_s``).
"""

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from beepy.collection.collection import Collection
from beepy.collection.losses import Losses
from beepy.errors import NotSupported, UsageError
from beepy.events.batch import Batch, Part, Reader, Schema, lost_yet
from beepy.events.stats import RunStats
from beepy.readers import of as readers_of
from beepy.readers import watches
from beepy.sys.fd import Fd

if TYPE_CHECKING:
    from beepy.collection.cgroup_ids import CgroupWatch  # few maps are filled by us

_LAST_ROUNDS: Final = 20  # windows after the detach, in which running programs finish their records
_MAX_POLL: Final = 86400.0  # seconds; poll(2) accepts at most 24 days
_MISSED_PERIOD: Final = 5.0  # seconds between looks for missed runs
_NEVER: Final = float("inf")


class Stream:
    """Owns ``readers``, ``watches`` and a wake descriptor; iterate over it once, in one thread.

    Maps that beepy fills are brought up to date when their watch is readable. ``open`` calls each
    function in ``attach``; the end of the iteration calls those in ``detach`` in reverse order, and
    after the last batch those in ``ended``, which may raise. Every table is read each ``interval``
    seconds (None: only on ``demand``), with ``own_intervals`` as often as its schema says. After
    ``timeout`` seconds of iterating the stream ends as with ``stop``. ``stats`` are the counters of
    the run, and ``losses``, which it owns, add to them what no batch carries.
    """

    def __init__(
        self,
        readers: Sequence[Reader],
        detach: Sequence[Callable[[], None]] = (),
        *,
        attach: Sequence[Callable[[], None]] = (),
        watches: Sequence["CgroupWatch"] = (),
        ended: Sequence[Callable[[], None]] = (),
        interval: float | None = None,
        own_intervals: bool = False,
        timeout: float | None = None,
        stats: RunStats | None = None,
        losses: Sequence[Losses] = (),
    ) -> None:
        self.schemas = tuple([reader.schema for reader in readers])
        self.stats = stats or RunStats(self.schemas)
        self._readers = tuple(readers)
        self._rings = tuple([reader for reader in readers if reader.fileno() >= 0])
        self._tables = tuple([reader for reader in readers if reader.fileno() < 0])
        self._window_s = min([ring.coalesce_s for ring in self._rings], default=0.0)
        self._poll_period_s = min([ring.poll_period_s for ring in self._rings], default=_NEVER)
        self._watches = {watch.fileno(): watch for watch in watches}
        self._losses = tuple(losses)
        self._attach = tuple(attach)
        self._detach = tuple(detach)
        self._ended = tuple(ended)
        self._detach_error: OSError | None = None
        self._intervals = _by_interval(self._tables, interval, own=own_intervals)
        self._timeout = _NEVER if timeout is None else timeout
        self._demanded: deque[tuple[Schema, ...]] = deque()
        self._stopping = False
        self._closed = False
        self._iterated = False
        # reentrant: a signal handler may interrupt its own thread's demand or close
        self._lock = threading.RLock()
        self._wake = Fd(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK))

    def open(self) -> None:
        """Attach the programs. Raises AttachError or NotSupported; then none is attached."""
        try:
            for attach in self._attach:
                attach()
        except BaseException:
            self._detach_all()
            raise

    def demand(self, schemas: tuple[Schema, ...]) -> None:
        """Request a snapshot of these tables, from any thread; pending demands share one.

        Rings are ignored; a demand of no schema gives an empty batch of a ring, if there is one.
        After ``stop`` this does nothing, as every table gets a last snapshot.
        """
        if not self._stopping:
            self._demanded.append(schemas)
            self._notify()

    def snapshot(self, schemas: Iterable[Schema]) -> Iterator[Batch]:
        """Yield a snapshot of these tables now, independently of the stream's own iteration."""
        requested = frozenset(schemas)
        for table in self._tables:
            if table.schema in requested:
                yield from table.read()

    def stop(self) -> None:
        """Make the iteration end, with its last batches; any thread or signal handler may call."""
        self._stopping = True
        self._notify()

    def detach(self) -> None:
        """Detach everything now, from any thread, and make the iteration end, as ``stop`` does."""
        self._stopping = True
        self._detach_all()
        self._notify()

    def close(self) -> None:
        """Close readers and wake descriptor after the iteration; later demands are ignored."""
        self._stopping = self._closed = True
        with ExitStack() as steps:  # all of them, even if one fails
            for reader in self._readers:
                steps.callback(reader.close)
            for watch in self._watches.values():
                steps.callback(watch.close)
            for losses in self._losses:
                steps.callback(losses.close)
            with self._lock:
                self._wake.close()

    def __iter__(self) -> Iterator[Batch]:
        if self._iterated:
            raise UsageError("stream: already iterated: create another one from its collections")
        self._iterated = True
        for batch in self._batches():
            yield batch
            if self._closed:
                return

    def _batches(self) -> Iterator[Batch]:
        # Not epoll: it checks a ring only after a wake-up, and the kernel sends none for records
        # that are written while we read others. poll checks each time.
        poll = select.poll()
        for ring in self._rings:
            poll.register(ring, select.POLLIN)
        for watch in self._watches.values():
            poll.register(watch, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        yield from self._loop(poll)
        self._count_missed()  # links know, until they are closed
        self._detach_all()
        detach_error = self._detach_error
        try:
            yield from self._last_batches(poll)
        except OSError as error:  # KernelError is one
            if detach_error:
                error.add_note(str(detach_error))
            raise
        if detach_error:
            raise detach_error
        for end in self._ended:
            end()

    def _detach_all(self) -> None:
        """Detach everything and keep the error, if any: the remaining records are shown first."""
        with self._lock:
            try:
                with ExitStack() as steps:
                    for detach in reversed(self._detach):
                        steps.callback(detach)
            except OSError as error:
                self._detach_error = error

    def _last_batches(self, poll: select.poll) -> Iterator[Batch]:
        """Yield the records in the rings, their last losses, and a snapshot of every table."""
        for _ in range(_LAST_ROUNDS):
            is_empty = True
            for batch in self._drain():
                is_empty = False
                yield batch
            if not self._poll(poll, 0) and is_empty:
                break
            time.sleep(self._window_s)
        for ring in self._rings:
            yield from ring.end()
        yield from self.snapshot(self.schemas)
        self._count_losses()

    def _count_losses(self) -> None:
        for losses in self._losses:
            losses.count(self.stats)

    def _count_missed(self) -> None:
        for losses in self._losses:
            losses.count_missed(self.stats)

    def _loop(self, poll: select.poll) -> Iterator[Batch]:
        last_drain, now = -_NEVER, time.monotonic()
        next_missed = now + _MISSED_PERIOD
        deadline = now + self._timeout
        due = {interval: now + interval for interval in self._intervals}
        while not self._stopping and now < deadline:
            for interval, time_due in due.items():
                if now >= time_due:
                    due[interval] = now + interval
                    self._demanded.append(tuple(self._intervals[interval]))
            wait = min(deadline - now, self._poll_period_s, *[at - now for at in due.values()])
            if self._poll(poll, 0 if self._demanded else wait):
                rest_of_window = last_drain + self._window_s - time.monotonic()
                if rest_of_window > 0:
                    time.sleep(rest_of_window)
            last_drain = time.monotonic()
            yield from self._drain()
            is_woken = () in self._demanded
            yield from self.snapshot(self._take_demands())
            if is_woken:
                yield from map(_empty, self._rings[:1])
            self._count_losses()
            if now >= next_missed:
                next_missed = now + _MISSED_PERIOD
                self._count_missed()
            now = time.monotonic()
        self._stopping = True

    def _poll(self, poll: select.poll, timeout: float) -> bool:
        """Wait for a ring to become readable, or for ``_notify``; return whether a ring is."""
        ready = {number for number, _ in poll.poll(min(timeout, _MAX_POLL) * 1000)}
        wake = self._wake.fileno()
        if wake in ready:
            os.eventfd_read(wake)
        for fd in ready & self._watches.keys():
            self._watches[fd].update()
        return bool(ready - {wake} - self._watches.keys())

    def _take_demands(self) -> list[Schema]:
        """Return the schemas of all pending demands, and forget the demands."""
        demanded: list[Schema] = []
        while self._demanded:
            demanded += self._demanded.popleft()
        return demanded

    def _drain(self) -> Iterator[Batch]:
        for ring in self._rings:
            yield from ring.read()

    def _notify(self) -> None:
        with self._lock, suppress(ValueError):  # the wake descriptor is closed
            os.eventfd_write(self._wake.fileno(), 1)

    def __repr__(self) -> str:
        names = [schema.map[:20] for schema in self.schemas]
        return f"Stream({', '.join([*map(repr, names[:4]), *['...'][: len(names) > 4]])})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _by_interval(
    tables: Iterable[Reader], interval: float | None, *, own: bool
) -> dict[float, list[Schema]]:
    """Return the tables by how often they are read, {} for never."""
    schemas_by_interval: dict[float, list[Schema]] = {}
    for table in tables if interval is not None else ():
        seconds = (own and table.schema.interval) or interval
        schemas_by_interval.setdefault(seconds or 0.0, []).append(table.schema)
    return schemas_by_interval


def _attach(collections: Sequence[Collection], stats: RunStats) -> None:
    """Attach the collections, and note the programs that ``--missing skip`` skipped.

    Raises NotSupported if every program was skipped, unless an image's own runner goes on.
    """
    for collection in collections:
        collection.attach()
    skipped = [
        (collection.spec.name, program)
        for collection in collections
        for program in collection.skipped.reasons
    ]
    stats.skipped_programs = skipped
    is_tolerant = any(collection.spec.exporter for collection in collections)
    if skipped and not is_tolerant and not any(collection.links for collection in collections):
        raise NotSupported("nothing is attached: this kernel lacks what every program attaches to")


def _check(collections: Sequence[Collection], **seconds: float | None) -> None:
    """Raise TypeError or UsageError for what no stream can be made of."""
    for collection in collections:
        if not isinstance(collection, Collection):
            from beepy.arguments import wrong_type  # noqa: PLC0415 - only on the way to an error

            raise wrong_type("collections", "what load returns", collection)
    for name, value in seconds.items():
        if value is not None and not (isinstance(value, int | float) and value >= 0):
            from beepy.arguments import expect_seconds  # noqa: PLC0415 - only on the way to an error

            expect_seconds(name, value)


def stream(
    *collections: Collection,
    interval: float | None = None,
    own_intervals: bool = False,
    timeout: float | None = None,
    attached: Sequence[Callable[[], None]] = (),
    detached: Sequence[Callable[[], None]] = (),
    ended: Sequence[Callable[[], None]] = (),
) -> Stream:
    """Return the stream of all tracked maps and iterators of ``collections``.

    ``open`` attaches the collections and then calls the functions in ``attached``. The end of the
    stream detaches them, calls those in ``detached``, and after the last batch those in ``ended``,
    which may raise. A map whose type beepy does not read is skipped with a warning. Raises
    KernelError if a map cannot be read.
    """
    _check(collections, interval=interval, timeout=timeout)
    with ExitStack() as undo:
        readers: list[Reader] = []
        all_losses = []
        for collection in collections:
            losses = Losses(collection)
            undo.callback(losses.close)
            all_losses.append(losses)
            for reader in readers_of(collection, losses):
                undo.callback(reader.close)
                readers.append(reader)
        cgroup_watches: list[CgroupWatch] = []
        for watch in watches(collections):
            undo.callback(watch.close)
            cgroup_watches.append(watch)
        stats = RunStats([reader.schema for reader in readers])
        new_stream = Stream(
            readers,
            [*detached, *[collection.detach for collection in collections]],
            attach=[partial(_attach, collections, stats), *attached],
            watches=cgroup_watches,
            ended=ended,
            interval=interval,
            own_intervals=own_intervals,
            timeout=timeout,
            stats=stats,
            losses=all_losses,
        )
        undo.pop_all()
        return new_stream


def _empty(ring: Reader) -> Batch:
    """Return a batch without records, which says that time has passed."""
    part, schema = Part(b"", 0, 0), ring.schema
    return Batch(schema, (part,), 0, 0, time.time_ns(), lost=lost_yet(schema))
