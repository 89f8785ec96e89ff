"""One run, as a library object: source -> stages -> sinks.

::

    source ---> stage ---> stage --+--> observers (metrics)
                                   +--> without zeros, limit --> sinks (rows)

A run knows no kernel: its source attaches programs and reads maps (``streams``), or reads a recording.
"""

import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any, Final, NamedTuple, Self, TypeAlias

from beepy.btf.types import VOID
from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.events.protocols import Sink, Source
from beepy.events.row import Names, Row, Rows, names_of
from beepy.events.rows import head, per_cpu_rows, without_zeros
from beepy.events.stats import RunStats
from beepy.feed import Feed

Choose: TypeAlias = Callable[[Batch], Batch]

FILTERED: Final = "filtered"
OWN: Final = "own"


class Stage(NamedTuple):
    """Leaves out some rows of each batch; ``counter`` is the member of RunStats that counts them."""

    counter: str
    choose: Choose


class Run:
    """Iterate it once, in one thread, after ``attach``; each turn gives rows that the sinks have taken already.

    Ends after ``limit`` rows, with the source, and by ``stop``. ``hides_zeros``: rows of tables whose value is 0 are
    kept from the sinks. A context manager: leaving it detaches everything.
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
        self.reader_gone = False  # a sink wrote to a pipe that nobody reads any more
        self._limit = limit
        self._hides_zeros = hides_zeros
        self._stages: list[Stage] = []
        self._sinks: list[Sink] = []
        self._observers: list[Sink] = []
        self._attached = False
        self._closed = False
        self._thread = 0  # the one that iterates
        self._running = False  # it is within the iteration, not at what is done with a batch
        self._ended = threading.Event()
        self._iteration = self._iterate()
        self._feed: Feed | None = None
        self._resources = ExitStack()  # closed in reverse: sinks, then the source, then what it reads
        self._below = self._resources.enter_context(ExitStack())
        self._resources.callback(source.close)

    def add_stage(self, counter: str, choose: Choose) -> None:
        """Let ``choose`` leave out rows, after the stages that are there; ``counter`` as in Stage."""
        self._stages.append(Stage(counter, choose))

    def add_sink(self, sink: Sink) -> None:
        """Open a sink for the rows that are shown; the run closes it."""
        self._open(sink, self._sinks)

    def add_observer(self, sink: Sink) -> None:
        """Open a sink that gets what all stages let pass, also rows that are hidden from the others."""
        self._open(sink, self._observers)

    def own(self, resources: ExitStack) -> None:
        """Close ``resources``, which the source uses, when the run and its source are closed."""
        self._below.push(resources)

    def attach(self) -> None:
        """Attach the programs (of a recording: read its header). Does nothing the second time. Raises BeepyError."""
        if not self._attached:
            self.source.open()
            self._attached = True

    def stop(self) -> None:
        """End the iteration: detach, and give what is still unread. From any thread or signal handler."""
        self.source.stop()

    def snapshot(self, schemas: Iterable[Schema], choose: Choose | None = None) -> Iterator[Batch]:
        """Read tables now, in the calling thread; ``choose`` leaves out rows."""
        batches = map(per_cpu_rows, self.source.snapshot(schemas))
        return map(choose, batches) if choose else batches

    @property
    def schemas(self) -> tuple[Schema, ...]:
        """What each map's rows look like."""
        return self.source.schemas

    @property
    def maps(self) -> Mapping[str, Mapping[Any, Any]]:
        """The tables, by name, each a read-only mapping that reads the map whenever it is asked.

        A map whose name several images have is called ``IMAGE.MAP``.
        """
        from beepy.events.tables import tables  # noqa: PLC0415 - few runs are asked for them

        return tables(self.decoders, self.snapshot)

    def batches(self) -> Iterator[Batch]:
        """Give what is shown as raw bytes, for programs that decode it by ``decoders``, or not at all."""
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
        """Give the rows one by one."""
        for rows in self:
            yield from rows

    def fileno(self) -> int:
        """Return a descriptor that is readable while ``take`` has something; it stays the run's.

        From its first call on a thread of the run's own iterates it: for event loops, in the place of ``for``.
        """
        return self._feeding().fileno()

    def take(self) -> list[Rows] | None:
        """Return the rows that have come, without waiting; None at the end. Raises BeepyError as iterating does."""
        return self._feeding().take()

    async def __aiter__(self) -> AsyncIterator[Rows]:
        """Give rows in an asyncio loop; leaving the ``async for`` stops the run."""
        import asyncio  # noqa: PLC0415 - few programs use it, and it takes 30 ms

        feed = self._feeding()
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

    def _feeding(self) -> "Feed":
        if self._feed is None:
            self._feed = Feed(self, self.stop)
        return self._feed

    def close(self) -> None:
        """Detach and release everything; from another thread, wait for the iteration to end.

        In a signal handler call ``stop``: ``close`` would wait for the very code that it interrupts.
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
        names = [schema.map[:20] for schema in self.schemas]
        return f"Run({', '.join([*map(repr, names[:4]), *['...'][: len(names) > 4]])})"

    def _open(self, sink: Sink, sinks: list[Sink]) -> None:
        try:
            sink.open(self.decoders)
        except BrokenPipeError:  # of a header
            self._lose_reader()
        else:
            sinks.append(sink)
        self._resources.callback(sink.close)

    def _lose_reader(self) -> None:
        """Note that nobody reads a sink's rows: that ends a run as ``stop`` does."""
        self.reader_gone = True
        self.source.stop()

    def _iterate(self) -> Generator[Batch, None, None]:
        self._thread, self._running = threading.get_ident(), True
        try:
            for batch in self.source:
                if batch.schema.record != VOID:
                    self.stats.add_lost(batch.schema, batch.lost)
                shown = self._show(self._choose(per_cpu_rows(batch)))
                if shown:
                    self._running = False
                    yield shown
                    self._running = True
        finally:
            self._running = False
            self._ended.set()

    def _choose(self, batch: Batch) -> Batch:
        for counter, choose in self._stages:
            kept = choose(batch)
            if kept.records != batch.records:
                left_out = batch.records - kept.records
                setattr(self.stats, counter, getattr(self.stats, counter) + left_out)
            batch = kept
        return batch

    def _show(self, chosen: Batch) -> Batch | None:
        """Give the rows to the sinks, as many as may be shown; return those, None if the limit lets nothing pass."""
        stats = self.stats
        kept = without_zeros(chosen) if self._hides_zeros else chosen
        shown = kept if self._limit is None else head(kept, self._limit - stats.shown)
        stats.zeros += chosen.records - kept.records
        stats.cut_by_count += kept.records - shown.records
        if kept.records and not shown.records:  # of a table, the end of a snapshot: it stays as it was shown
            return None
        self._write(shown, self._sinks)
        self._write(chosen if shown.records == kept.records else shown, self._observers)
        stats.shown += shown.records
        if self._limit is not None and stats.shown >= self._limit:
            self.source.stop()
        return shown

    def _write(self, batch: Batch, sinks: list[Sink]) -> None:
        for sink in (*sinks,):
            try:
                sink.write(batch)
            except BrokenPipeError:
                sinks.remove(sink)
                self._lose_reader()
