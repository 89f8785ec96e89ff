"""One run, as a library object: source -> stages -> sinks.

::

    source ---> stage ---> stage --+--> observers (metrics)
                                   +--> without zeros, limit --> sinks (rows)

A run knows no kernel: its source attaches programs and reads maps (``streams``), or reads a recording.
"""

import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeAlias

from beepy.btf.types import VOID
from beepy.errors import UsageError
from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.events.protocols import Sink, Source
from beepy.events.row import Names, Row, Rows, names_of
from beepy.events.rows import head, per_cpu_rows, tail, without_zeros
from beepy.events.stats import RunStats
from beepy.feed import Feed
from beepy.text import safe

if TYPE_CHECKING:
    from nanoarrow import Array

Choose: TypeAlias = Callable[[Batch], Batch]

FILTERED: Final = "filtered"
OWN: Final = "own"


class Stage(NamedTuple):
    """Leaves out some rows of each batch; ``counter`` is the member of RunStats that counts them."""

    counter: str
    choose: Choose


class Run:
    """Iterate it once, in one thread; it attaches first if that was not done. The sinks have taken what a turn gives.

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
        # held by attach, and by close and what makes the feed; a signal handler may interrupt its own thread's
        self._attaching, self._closing = threading.RLock(), threading.RLock()
        self._thread = 0  # the one that iterates
        self._idle = threading.Event()  # it is not within the iteration, but at what is done with a batch, or gone
        self._idle.set()
        self._rest: deque[Batch] = deque()  # what was read and is given next
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
        """Attach the programs (of a recording: read its header). Does nothing the second time.

        Raises BeepyError; then nothing is attached.
        """
        if not self._attach():
            raise UsageError("run: it is closed")

    def _attach(self) -> bool:
        """Attach unless that is done; tell whether the run is open."""
        with self._attaching:
            if not self._closed and not self._attached:
                self.source.open()
                self._attached = True
            return not self._closed

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

        return tables(self.decoders, self._read_tables)

    def _read_tables(self, schemas: Iterable[Schema]) -> Iterator[Batch]:
        self._expect_open()
        return self.snapshot(schemas)

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

    def table(self, name: str, rows: int | None = None) -> "Array":
        """Return a map's rows as an Arrow array of structs, which polars, pandas and pyarrow take.

        Of a table its entries, read now; of a stream the next ``rows``, fewer if the run ends before: it is iterated
        for them, and what comes of other maps meanwhile is dropped. Raises UsageError, also without nanoarrow.
        """
        from beepy.events.arrow import to_arrow  # noqa: PLC0415 - few programs use it
        from beepy.events.tables import by_name  # noqa: PLC0415 - as above

        self._expect_open()
        named = by_name(self.decoders)
        if name not in named:
            raise UsageError(f"map '{safe(name)}': expected {', '.join(map(safe, named)) or 'none'}")
        decoder = named[name]
        if decoder.schema.record == VOID:
            return to_arrow(decoder, self._read_tables((decoder.schema,)))
        return to_arrow(decoder, self._next(decoder.schema, rows))

    def _next(self, schema: Schema, rows: int | None) -> Iterator[Batch]:
        """Give the next rows of a stream; what is left of the last batch is given to who iterates next."""
        if self._feed:
            raise UsageError("run: its rows are given by take or async for")
        for batch in self._iteration if rows is None or rows > 0 else ():
            if batch.schema != schema:
                continue
            if rows is not None and batch.records > rows:
                self._rest.append(tail(batch, rows))
                batch = head(batch, rows)  # noqa: PLW2901 - what is given of it
            yield batch
            if rows is not None and not (rows := rows - batch.records):
                return

    def fileno(self) -> int:
        """Return a descriptor that is readable while ``take`` has something; it stays the run's.

        From its first call on a thread of the run's own iterates it: for event loops, in the place of ``for``.
        """
        return self._feeding().fileno()

    def take(self) -> list[Rows] | None:
        """Return the rows that have come, without waiting; None at the end. Raises BeepyError as iterating does."""
        return self._feed.take() if self._feed else self._feeding().take()

    async def __aiter__(self) -> AsyncIterator[Rows]:
        """Give rows in an asyncio loop; leaving the ``async for`` stops the run."""
        import asyncio  # noqa: PLC0415 - few programs use it, and it takes 30 ms

        feed = self._feeding()
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        fd = os.dup(feed.fileno())  # the feed may be closed while the loop has it

        def wake() -> None:  # looked at once: while rows are waiting the loop would do nothing else
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

    def _feeding(self) -> "Feed":
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

        In a signal handler call ``stop``: ``close`` would wait for the very code that it interrupts.
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
            except ValueError:  # another thread runs it: whoever has its next batch may never ask for another
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
        self._thread = threading.get_ident()
        self._idle.clear()
        try:
            if not self._attach():
                return
            for batch in self.source:
                if batch.schema.record != VOID:
                    self.stats.add_lost(batch.schema, batch.lost)
                shown = self._show(self._choose(per_cpu_rows(batch)))
                if shown:
                    self._rest.append(shown)
                while self._rest:
                    self._idle.set()
                    yield self._rest.popleft()
                    self._idle.clear()
        finally:
            self._idle.set()

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
