"""One run, as a library object: source -> stages -> sinks.

::

    source ---> stage ---> stage --+--> observers (metrics)
                                   +--> hide zeros, arrange, limit --> sinks (rows)

A run knows no kernel: its source attaches programs and reads maps (``streams``), or reads a
recording.
"""

import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeAlias

from beepy.errors import UsageError
from beepy.events.batch import Batch, Schema
from beepy.events.batch_ops import drop, take, without_zeros
from beepy.events.decoder import Decoder
from beepy.events.stats import RunStats
from beepy.text import safe

if TYPE_CHECKING:
    from nanoarrow import Array

    # the command line needs neither
    from beepy.events.arrangement import Arrangement, Snapshots
    from beepy.events.protocols import Sink, Source  # only types
    from beepy.events.row import Names, Row, Rows
    from beepy.feed import Feed

BatchFilter: TypeAlias = Callable[[Batch], Batch]

FILTERED: Final = "filtered"
OWN: Final = "own"
UNTIL: Final = "cut_by_until"


Counter: TypeAlias = Literal["filtered", "own", "cut_by_until"]
"""The attribute of RunStats that counts the rows that a stage removes."""


Stage: TypeAlias = tuple[Counter, BatchFilter]
"""A filter of batches, and the counter of the rows that it removes."""


class Run:
    """One run; a context manager, which detaches and releases everything.

    Iterate over it once, in one thread: it attaches first, if that was not done, and yields rows
    that the sinks have taken already. It ends after ``limit`` rows, with its source, and by
    ``stop``. ``hides_zeros``: the sinks do not get rows of tables with the value 0.
    ``arrangement`` is how rows are arranged. Raises UsageError if it fits no map.
    """

    def __init__(
        self,
        source: "Source",
        *,
        limit: int | None = None,
        hides_zeros: bool = False,
        arrangement: "Arrangement | None" = None,
    ) -> None:
        self.source = source
        self.decoders = tuple([Decoder(schema) for schema in source.schemas])
        self.stats: RunStats = source.stats
        self.reader_gone = False  # a sink wrote to a pipe without readers
        self._limit = limit
        self._hides_zeros = hides_zeros
        self._stages: list[Stage] = []
        self._snapshots: Snapshots | None = arrangement and arrangement.apply(self.decoders)
        self._sinks: list[Sink] = []
        self._observers: list[Sink] = []
        self._attached = False
        self._closed = False
        # RLocks: a signal handler may interrupt the thread that holds one
        self._attaching = threading.RLock()
        self._closing = threading.RLock()
        self._thread = 0  # of the iteration
        # clear in the iteration, set in the body of the caller's loop and after the end
        self._idle = threading.Event()
        self._idle.set()
        self._pending: deque[Batch] = deque()  # read already, and yielded next
        self._iteration = self._iterate()
        self._feed: Feed | None = None
        # closed in the reverse order: the sinks, the source, what the source uses
        self._resources = ExitStack()
        self._source_resources = self._resources.enter_context(ExitStack())
        self._resources.callback(source.close)

    def add_stage(self, counter: Counter, select: BatchFilter) -> None:
        """Add a stage after those added before; ``counter`` and ``select`` are those of Stage."""
        self._stages.append((counter, select))

    def add_sink(self, sink: "Sink") -> None:
        """Open a sink that gets the rows that are shown; the run closes it."""
        self._open(sink, self._sinks)

    def add_observer(self, sink: "Sink") -> None:
        """Open a sink that also gets the rows of value 0 that are hidden from other sinks."""
        self._open(sink, self._observers)

    def add_resources(self, resources: ExitStack) -> None:
        """Take ownership of what the source uses; the run closes it after the source."""
        self._source_resources.push(resources)

    def attach(self) -> None:
        """Attach the programs, or read a recording's header; the second call does nothing.

        Raises BeepyError; then nothing is attached.
        """
        if not self._attach():
            raise UsageError("run: it is closed")

    def _attach(self) -> bool:
        """Attach unless that was done; return whether the run is open."""
        with self._attaching:
            if not self._closed and not self._attached:
                self.source.open()
                self._attached = True
            return not self._closed

    def stop(self) -> None:
        """End the iteration: detach, and yield what is still unread.

        May be called from any thread or signal handler. Does not wait.
        """
        self.source.stop()

    def snapshot(
        self, schemas: Iterable[Schema], select: BatchFilter | None = None
    ) -> Iterator[Batch]:
        """Read tables now, in the calling thread, and filter the batches by ``select``."""
        batches = self.source.snapshot(schemas)
        return map(select, batches) if select else batches

    @property
    def schemas(self) -> tuple[Schema, ...]:
        """The schemas of all maps that are shown."""
        return self.source.schemas

    @property
    def maps(self) -> Mapping[str, Mapping[Any, Any]]:
        """The tables by name, each a read-only mapping that reads the map anew at each access.

        Maps of several images that have the same name are called ``IMAGE.MAP``.
        """
        from beepy.events.tables import tables  # noqa: PLC0415 - few programs use them

        return tables(self.decoders, self._read_tables)

    def _read_tables(self, schemas: Iterable[Schema]) -> Iterator[Batch]:
        self._expect_open()
        return self.snapshot(schemas)

    def batches(self) -> Iterator[Batch]:
        """Yield the rows that are shown as raw batches, which ``decoders`` decode."""
        return self._iteration

    def __iter__(self) -> "Iterator[Rows]":
        from beepy.events.row import Rows, names_of  # noqa: PLC0415 - only Python programs have rows

        decoders = {decoder.schema: decoder for decoder in self.decoders}
        names: dict[Schema, Names] = {}
        for batch in self._iteration:
            decoder = decoders[batch.schema]
            if batch.schema not in names:
                names[batch.schema] = names_of(decoder.shown())
            yield Rows(batch, decoder, names[batch.schema])

    def events(self) -> "Iterator[Row]":
        """Yield the rows one by one."""
        for rows in self:
            yield from rows

    def table(self, name: str, rows: int | None = None) -> "Array":
        """Return a map's rows as an Arrow array of structs, which polars, pandas and pyarrow take.

        These are the entries of a table, read now, or the next ``rows`` of a stream, fewer if the
        run ends before: the run is iterated for them, and rows of other maps that come meanwhile
        are dropped. Raises UsageError, also if nanoarrow is not installed.
        """
        from beepy.events.arrow import to_arrow  # noqa: PLC0415 - few programs use it
        from beepy.events.tables import by_name  # noqa: PLC0415 - as above

        self._expect_open()
        named = by_name(self.decoders)
        if name not in named:
            raise UsageError(
                f"map '{safe(name)}': expected {', '.join(map(safe, named)) or 'none'}"
            )
        decoder = named[name]
        if not decoder.schema.is_stream:
            return to_arrow(decoder, self._read_tables((decoder.schema,)))
        return to_arrow(decoder, self._next(decoder.schema, rows))

    def top(
        self, count: int, by: str, *, every: float = 0, total: str = "", average: str = ""
    ) -> "Iterator[Rows]":
        """Yield the ``count`` largest groups of a stream's events, and iterate over the run for it.

        Events are grouped ``by`` fields, ``[MAP:]FIELD,FIELD``; groups are ranked by the sum of the
        field ``total`` or the ``average`` of one, else by their number. All so far come ``every``
        so many seconds, and at the end. Raises UsageError.
        """
        from beepy.events.top import Wanted, largest_groups  # noqa: PLC0415 - few programs use it

        wanted = Wanted(count, by, every, total, average)
        return largest_groups(wanted, self.decoders, self.source, self._iteration)

    def _next(self, schema: Schema, rows: int | None) -> Iterator[Batch]:
        """Yield the next rows of a stream; the rest of the last batch comes in the iteration."""
        if self._feed:
            raise UsageError("run: its rows are given by take or async for")
        for batch in self._iteration if rows is None or rows > 0 else ():
            if batch.schema != schema:
                continue
            if rows is not None and batch.records > rows:
                self._pending.append(drop(batch, rows))
                batch = take(batch, rows)  # noqa: PLW2901 - the part that is yielded
            yield batch
            if rows is not None and not (rows := rows - batch.records):
                return

    def fileno(self) -> int:
        """Return an fd that is readable while ``take`` has rows; the run owns it.

        It is for event loops. The first call starts a thread that iterates over the run: do not
        iterate over it as well.
        """
        return self._open_feed().fileno()

    def take(self) -> "list[Rows] | None":
        """Return the rows that have arrived, without waiting; None at the end.

        Raises BeepyError as the iteration does.
        """
        return self._feed.take() if self._feed else self._open_feed().take()

    async def __aiter__(self) -> "AsyncIterator[Rows]":
        """Yield rows in an asyncio loop; leaving the ``async for`` stops the run."""
        import asyncio  # noqa: PLC0415 - few programs use it, and it takes 30 ms

        feed = self._open_feed()
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        fd = os.dup(feed.fileno())  # the feed may be closed while the loop has it

        def wake() -> None:
            # the descriptor stays readable: the loop would do nothing else until rows are taken
            loop.remove_reader(fd)
            readable.set()

        try:
            while (taken := feed.take()) is not None:
                for rows in taken:
                    yield rows
                if not taken:
                    readable.clear()
                    loop.add_reader(fd, wake)
                    await readable.wait()
        finally:
            loop.remove_reader(fd)
            os.close(fd)
            await loop.run_in_executor(None, feed.close)  # detaching takes its time

    def _open_feed(self) -> "Feed":
        from beepy.feed import Feed  # noqa: PLC0415 - few programs have an event loop

        with self._closing:
            self._expect_open()
            if self._feed is None:
                self._feed = Feed(self, self.stop)
        return self._feed

    def _expect_open(self) -> None:
        if self._closed:
            raise UsageError("run: it is closed")

    def close(self) -> None:
        """Detach and release everything; from another thread, wait for the iteration to end.

        Do not call it in a signal handler, where it would wait for the code that it interrupts:
        call ``stop``.
        """
        if not self._idle.is_set() and self._thread == threading.get_ident():
            raise RuntimeError("close: called within the iteration: call stop")
        with self._closing:
            if self._closed:
                return
            with self._resources:
                self._closed = True
                with self._attaching:  # nothing is attached after this
                    self.source.stop()
                if self._feed:
                    self._feed.close()
                self._end_iteration()

    def _end_iteration(self) -> None:
        while True:
            try:
                self._iteration.close()
            except ValueError:
                # another thread is in it; once it has a batch it may never ask for another one
                self._idle.wait()
            else:
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        names = [schema.map[:20] for schema in self.schemas]
        return f"Run({', '.join([*map(repr, names[:4]), *['...'][: len(names) > 4]])})"

    def _open(self, sink: "Sink", sinks: "list[Sink]") -> None:
        self._resources.callback(sink.close)  # also if it opens only in part
        try:
            sink.open(self.decoders)
        except BrokenPipeError:  # it wrote a header
            self._stop_without_reader()
        else:
            sinks.append(sink)

    def _stop_without_reader(self) -> None:
        """Stop the run, because the reader of a sink's pipe is gone."""
        self.reader_gone = True
        self.source.stop()

    def _iterate(self) -> Generator[Batch, None, None]:
        self._thread = threading.get_ident()
        self._idle.clear()
        try:
            if not self._attach():
                return
            for batch in self.source:
                if batch.schema.is_stream:
                    self.stats.add_lost(batch.schema, batch.lost)
                self._pending += self._show(self._filter(batch))
                while self._pending:
                    self._idle.set()
                    yield self._pending.popleft()
                    self._idle.clear()
            if self._snapshots:
                self._snapshots.end()
                self.stats.cut_by_limit = self._snapshots.cut
        finally:
            self._idle.set()

    def _filter(self, batch: Batch) -> Batch:
        """Return what passes all stages, and count what each of them removes."""
        for counter, select in self._stages:
            passed = select(batch)
            if passed.records != batch.records:
                removed = batch.records - passed.records
                setattr(self.stats, counter, getattr(self.stats, counter) + removed)
            batch = passed
        return batch

    def _show(self, passed: Batch) -> Iterator[Batch]:
        """Write the batch to the observers and sinks, and yield what the sinks got.

        Snapshots that are arranged reach the sinks when they are complete.
        """
        stats = self.stats
        nonzero = without_zeros(passed) if self._hides_zeros else passed
        stats.zeros += passed.records - nonzero.records
        arranged = self._snapshots.arrange(nonzero) if self._snapshots else (nonzero,)
        observed = passed
        for batch in arranged:
            limit = self._limit
            shown = batch if limit is None else take(batch, limit - stats.shown)
            stats.cut_by_count += batch.records - shown.records
            if shown.records < batch.records and batch is nonzero:
                observed = shown
            if batch.records and not shown.records:
                # an empty batch of a table would say that the snapshot ended, and clear what is
                # shown
                return
            self._write(shown, self._sinks)
            stats.shown += shown.records
            if limit is not None and stats.shown >= limit:  # a sink may not count all of its rows
                self.source.stop()
            yield shown
        self._write(observed, self._observers)

    def _write(self, batch: Batch, sinks: "list[Sink]") -> None:
        for sink in (*sinks,):  # a copy: the loop removes sinks
            try:
                sink.write(batch)
            except BrokenPipeError:
                sinks.remove(sink)
                self._stop_without_reader()
