"""One run, as a library object: source -> stages -> sinks.

::

    source ---> stage ---> stage --+--> observers (metrics)
                                   +--> hide zeros, limit --> sinks (rows)

A run knows no kernel: its source attaches programs and reads maps (``streams``), or reads a
recording.
"""

import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Final, NamedTuple, Self, TypeAlias

from beepy.events.batch import Batch, Schema
from beepy.events.batch_ops import take, without_zeros
from beepy.events.decoder import Decoder
from beepy.events.protocols import Sink, Source
from beepy.events.row import Names, Row, Rows, names_of
from beepy.events.stats import RunStats
from beepy.feed import Feed

BatchFilter: TypeAlias = Callable[[Batch], Batch]

FILTERED: Final = "filtered"
OWN: Final = "own"


class Stage(NamedTuple):
    """A filter of batches; ``counter`` is the attribute of RunStats that counts removed rows."""

    counter: str
    select: BatchFilter


class Run:
    """One run; a context manager, which detaches and releases everything.

    Iterate over it once, in one thread, after ``attach``: it yields rows that the sinks have taken
    already. It ends after ``limit`` rows, with its source, and by ``stop``. ``hides_zeros``: the
    sinks do not get rows of tables with the value 0.
    """

    def __init__(
        self,
        source: Source,
        *,
        limit: int | None = None,
        hides_zeros: bool = False,
    ) -> None:
        self.source = source
        self.decoders = tuple([Decoder(schema) for schema in source.schemas])
        self.stats: RunStats = source.stats
        self.reader_gone = False  # a sink wrote to a pipe without readers
        self._limit = limit
        self._hides_zeros = hides_zeros
        self._stages: list[Stage] = []
        self._sinks: list[Sink] = []
        self._observers: list[Sink] = []
        self._attached = False
        self._closed = False
        self._thread = 0  # of the iteration
        self._running = False  # in the iteration, not in the body of the caller's loop
        self._ended = threading.Event()
        self._iteration = self._iterate()
        self._feed: Feed | None = None
        # closed in the reverse order: the sinks, the source, what the source uses
        self._resources = ExitStack()
        self._source_resources = self._resources.enter_context(ExitStack())
        self._resources.callback(source.close)

    def add_stage(self, counter: str, select: BatchFilter) -> None:
        """Add a stage after those added before; ``counter`` and ``select`` are those of Stage."""
        self._stages.append(Stage(counter, select))

    def add_sink(self, sink: Sink) -> None:
        """Open a sink that gets the rows that are shown; the run closes it."""
        self._open(sink, self._sinks)

    def add_observer(self, sink: Sink) -> None:
        """Open a sink that also gets the rows of value 0 that are hidden from other sinks."""
        self._open(sink, self._observers)

    def add_resources(self, resources: ExitStack) -> None:
        """Take ownership of what the source uses; the run closes it after the source."""
        self._source_resources.push(resources)

    def attach(self) -> None:
        """Attach the programs, or read a recording's header; the second call does nothing.

        Raises BeepyError.
        """
        if not self._attached:
            self.source.open()
            self._attached = True

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

        return tables(self.decoders, self.snapshot)

    def batches(self) -> Iterator[Batch]:
        """Yield the rows that are shown as raw batches, which ``decoders`` decode."""
        return self._iteration

    def __iter__(self) -> Iterator[Rows]:
        decoders = {decoder.schema: decoder for decoder in self.decoders}
        names: dict[Schema, Names] = {}
        for batch in self._iteration:
            decoder = decoders[batch.schema]
            if batch.schema not in names:
                names[batch.schema] = names_of(decoder.fields)
            yield Rows(batch, decoder, names[batch.schema])

    def events(self) -> Iterator[Row]:
        """Yield the rows one by one."""
        for rows in self:
            yield from rows

    def fileno(self) -> int:
        """Return an fd that is readable while ``take`` has rows; the run owns it.

        It is for event loops. The first call starts a thread that iterates over the run: do not
        iterate over it as well.
        """
        return self._open_feed().fileno()

    def take(self) -> list[Rows] | None:
        """Return the rows that have arrived, without waiting; None at the end.

        Raises BeepyError as the iteration does.
        """
        return self._open_feed().take()

    async def __aiter__(self) -> AsyncIterator[Rows]:
        """Yield rows in an asyncio loop; leaving the ``async for`` stops the run."""
        import asyncio  # noqa: PLC0415 - few programs use it, and it takes 30 ms

        feed = self._open_feed()
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(feed.fileno(), readable.set)
        try:
            while (taken := feed.take()) is not None:
                for rows in taken:
                    yield rows
                if not taken:
                    await readable.wait()
                    readable.clear()
        finally:
            loop.remove_reader(feed.fileno())
            feed.close()

    def _open_feed(self) -> "Feed":
        if self._feed is None:
            self._feed = Feed(self, self.stop)
        return self._feed

    def close(self) -> None:
        """Detach and release everything; from another thread, wait for the iteration to end.

        Do not call it in a signal handler, where it would wait for the code that it interrupts:
        call ``stop``.
        """
        if self._closed:
            return
        if self._running and self._thread == threading.get_ident():
            raise RuntimeError("close: called within the iteration: call stop")
        self._closed = True
        self.source.stop()
        with self._resources:
            if self._feed:
                self._feed.close()
            try:
                self._iteration.close()
            except ValueError:  # it runs in another thread
                self._ended.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Run({', '.join([repr(schema.map) for schema in self.schemas])})"

    def _open(self, sink: Sink, sinks: list[Sink]) -> None:
        try:
            sink.open(self.decoders)
        except BrokenPipeError:  # it wrote a header
            self._stop_without_reader()
        else:
            sinks.append(sink)
        self._resources.callback(sink.close)

    def _stop_without_reader(self) -> None:
        """Stop the run, because the reader of a sink's pipe is gone."""
        self.reader_gone = True
        self.source.stop()

    def _iterate(self) -> Generator[Batch, None, None]:
        self._thread, self._running = threading.get_ident(), True
        try:
            for batch in self.source:
                if batch.schema.is_stream:
                    self.stats.add_lost(batch.schema, batch.lost)
                shown = self._show(self._filter(batch))
                if shown:
                    self._running = False
                    yield shown
                    self._running = True
        finally:
            self._running = False
            self._ended.set()

    def _filter(self, batch: Batch) -> Batch:
        """Return what passes all stages, and count what each of them removes."""
        for counter, select in self._stages:
            passed = select(batch)
            if passed.records != batch.records:
                removed = batch.records - passed.records
                setattr(self.stats, counter, getattr(self.stats, counter) + removed)
            batch = passed
        return batch

    def _show(self, passed: Batch) -> Batch | None:
        """Write the batch to the sinks, up to the limit; return the rows that they got, or None.

        None means that the limit was reached before.
        """
        stats = self.stats
        nonzero = without_zeros(passed) if self._hides_zeros else passed
        limit = self._limit
        shown = nonzero if limit is None else take(nonzero, limit - stats.shown)
        stats.zeros += passed.records - nonzero.records
        stats.cut_by_count += nonzero.records - shown.records
        if nonzero.records and not shown.records:
            # an empty batch of a table would say that the snapshot ended, and clear what is shown
            return None
        self._write(shown, self._sinks)
        self._write(passed if shown.records == nonzero.records else shown, self._observers)
        stats.shown += shown.records
        if limit is not None and stats.shown >= limit:
            self.source.stop()
        return shown

    def _write(self, batch: Batch, sinks: list[Sink]) -> None:
        for sink in (*sinks,):  # a copy: the loop removes sinks
            try:
                sink.write(batch)
            except BrokenPipeError:
                sinks.remove(sink)
                self._stop_without_reader()
