"""One poll loop: readers -> batches.

Rings are read when they have something, tables when somebody demands it::

    loop   poll(rings, wake) -> wait out the window -> drain rings -> read the tables demanded, once each
    end    detach -> drain rings -> what they lost -> a last snapshot of every table

Rings are read at most once in a window of a few milliseconds. An event that comes alone is read at once; where they
come faster, the unread ones suppress the kernel's wake-ups, which would cost the traced programs more than all else.
Perf buffers wake by how full they are: they are looked at every now and then (``Reader.patience``).
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
from typing import Final, Self

from beepy import hooks, maps
from beepy.collection.collection import Collection
from beepy.errors import NotSupported, UsageError
from beepy.events import roles
from beepy.events.batch import Batch, Reader, Schema
from beepy.events.stats import RunStats
from beepy.kernel.fd import Fd
from beepy.kernel.host import possible_cpus
from beepy.log import Log
from beepy.text import safe

_log = Log(__name__)

_ROUNDS: Final = 20  # windows at the end, in which programs that still run finish their records
_LONGEST: Final = 86400.0  # seconds; poll takes 24 days at most
_NEVER: Final = float("inf")


class Stream:
    """Owns ``readers`` and a wake descriptor; iterate once, in one thread.

    ``open`` calls each ``attach``, in order; the end calls each ``detach``, the last first. ``interval`` (seconds)
    demands every table that often; None: only ``demand`` does. ``timeout`` (seconds of iterating) ends the stream as
    ``stop`` does. ``stats`` are what the run counts in.
    """

    def __init__(
        self,
        readers: Sequence[Reader],
        detach: Sequence[Callable[[], None]] = (),
        *,
        attach: Sequence[Callable[[], None]] = (),
        interval: float | None = None,
        timeout: float | None = None,
        stats: RunStats | None = None,
    ) -> None:
        self.schemas = tuple([reader.schema for reader in readers])
        self.stats = stats or RunStats(self.schemas)
        self._readers = tuple(readers)
        self._rings = tuple([reader for reader in readers if reader.fileno() >= 0])
        self._tables = tuple([reader for reader in readers if reader.fileno() < 0])
        self._window = min([ring.window for ring in self._rings], default=0.0)
        self._patience = min([ring.patience for ring in self._rings], default=_NEVER)
        self._attach = tuple(attach)
        self._detach = tuple(detach)
        self._interval = _NEVER if interval is None else interval
        self._timeout = _NEVER if timeout is None else timeout
        self._demanded: deque[tuple[Schema, ...]] = deque()
        self._stopping = False
        self._closed = False
        self._iterated = False
        self._lock = threading.RLock()  # a signal handler may interrupt its own thread's demand or close
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
        """Ask for a snapshot of these tables, from any thread; demands that wait together share one.

        Rings among them are passed over. After ``stop`` it does nothing: every table has its last snapshot then.
        """
        if not self._stopping:
            self._demanded.append(schemas)
            self._notify()

    def snapshot(self, schemas: Iterable[Schema]) -> Iterator[Batch]:
        """Read these tables now, in the thread that iterates: whatever the stream's own does, until ``close``."""
        wanted = frozenset(schemas)
        for table in self._tables:
            if table.schema in wanted:
                yield from table.read()

    def stop(self) -> None:
        """Let the iteration end: detach, drain, last snapshots. From any thread or signal handler; does not wait."""
        self._stopping = True
        self._notify()

    def close(self) -> None:
        """Release readers and descriptors, once the iteration is over; what is demanded later is not read."""
        self._stopping = self._closed = True
        with ExitStack() as steps:
            for reader in self._readers:
                steps.callback(reader.close)
            with self._lock:
                self._wake.close()

    def __iter__(self) -> Iterator[Batch]:
        if self._iterated:
            raise UsageError("stream: iterated already: make another one of its collections")
        self._iterated = True
        for batch in self._batches():
            yield batch
            if self._closed:
                return

    def _batches(self) -> Iterator[Batch]:
        # Not epoll: it looks at a ring only after a wake-up, and the kernel sends none for records that came while we
        # read others. poll looks each time.
        poll = select.poll()
        for ring in self._rings:
            poll.register(ring, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        yield from self._loop(poll)
        failed = self._detach_all()
        try:
            yield from self._rest(poll)
        except OSError as error:  # KernelError is one
            if failed:
                error.add_note(str(failed))
            raise
        if failed:
            raise failed

    def _detach_all(self) -> OSError | None:
        """Return what went wrong: what has come by then is shown all the same."""
        try:
            with ExitStack() as steps:
                for detach in reversed(self._detach):
                    steps.callback(detach)
        except OSError as error:
            return error
        return None

    def _rest(self, poll: select.poll) -> Iterator[Batch]:
        for _ in range(_ROUNDS):
            came = False
            for batch in self._drain():
                came = True
                yield batch
            if not self._poll(poll, 0) and not came:
                break
            time.sleep(self._window)
        for ring in self._rings:
            yield from ring.end()
        yield from self.snapshot(self.schemas)

    def _loop(self, poll: select.poll) -> Iterator[Batch]:
        drained, now = -_NEVER, time.monotonic()
        deadline, tick = now + self._timeout, now + self._interval
        while not self._stopping and now < deadline:
            if now >= tick:
                tick = now + self._interval
                self._demanded.append(self.schemas)
            if self._poll(poll, 0 if self._demanded else min(deadline - now, tick - now, self._patience)):
                early = drained + self._window - time.monotonic()
                if early > 0:
                    time.sleep(early)
            drained = time.monotonic()
            yield from self._drain()
            yield from self.snapshot(self._take())
            now = time.monotonic()
        self._stopping = True

    def _poll(self, poll: select.poll, timeout: float) -> bool:
        """Wait until a ring is readable or somebody wakes us; tell whether a ring is."""
        ready = {number for number, _ in poll.poll(min(timeout, _LONGEST) * 1000)}
        wake = self._wake.fileno()
        if wake in ready:
            os.eventfd_read(wake)
        return bool(ready - {wake})

    def _take(self) -> list[Schema]:
        demanded: list[Schema] = []
        while self._demanded:
            demanded += self._demanded.popleft()
        return demanded

    def _drain(self) -> Iterator[Batch]:
        for ring in self._rings:
            yield from ring.read()

    def _notify(self) -> None:
        with self._lock, suppress(ValueError):  # closed
            os.eventfd_write(self._wake.fileno(), 1)

    def __repr__(self) -> str:
        names = [schema.map[:20] for schema in self.schemas]
        return f"Stream({', '.join([*map(repr, names[:4]), *['...'][: len(names) > 4]])})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _readers(collection: Collection) -> Iterator[Reader]:
    """Yield a reader for each tracked map and each iterator."""
    for tracked in collection.spec.tracked:
        tracked_map = collection.maps[tracked.map]
        cpus = possible_cpus() if maps.is_percpu(tracked_map.type) else 0
        schema = roles.schema(collection.spec, tracked, cpus)._replace(kernel=collection.kernel_types)
        reader = maps.reader(tracked_map, schema)
        if reader is None:
            _log.warning("map '%s': not shown: %s", safe(tracked.map), roles.not_read(tracked_map.type))
            continue
        yield reader
    for program in collection.programs.values():
        hook = hooks.find(program.section)
        if hook and hook.reader:
            yield hook.reader(program, collection.target(program.name), collection.spec)


def _attach(collections: Sequence[Collection], stats: RunStats) -> None:
    """Attach all; note what --missing skip left out. Raises NotSupported if nothing else is there."""
    for collection in collections:
        collection.attach()
    skipped = [(one.spec.name, program) for one in collections for program in one.absent.skipped]
    stats.skipped_programs = skipped
    if skipped and not any(one.links for one in collections):
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
    timeout: float | None = None,
    attached: Sequence[Callable[[], None]] = (),
) -> Stream:
    """Return the stream of all tracked maps and iterators of ``collections``; it detaches them at its end.

    ``open`` attaches them, and calls ``attached`` after it, in order. A map of a type that nobody reads (yet) is
    skipped with a warning. Raises KernelError when a map cannot be read.
    """
    _check(collections, interval=interval, timeout=timeout)
    with ExitStack() as made:
        readers: list[Reader] = []
        for collection in collections:
            for reader in _readers(collection):
                made.callback(reader.close)
                readers.append(reader)
        stats = RunStats([reader.schema for reader in readers])
        whole = Stream(
            readers,
            [collection.detach for collection in collections],
            attach=[partial(_attach, collections, stats), *attached],
            interval=interval,
            timeout=timeout,
            stats=stats,
        )
        made.pop_all()
        return whole
