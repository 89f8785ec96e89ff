"""The two ends of a run: a source yields batches, sinks take them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.events.stats import RunStats


class Source(Protocol):
    """Where batches come from: the maps of loaded programs (``streams``), or a recording.

    ``schemas`` are those of its batches, known before ``open``. ``stats`` are the counts of the
    run; a source adds what only it knows.
    """

    schemas: tuple[Schema, ...]
    stats: RunStats

    def open(self) -> None:
        """Attach the programs, or read a recording's header.

        Raises BeepyError; then nothing is attached.
        """

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches until ``stop`` or the end; once, in one thread."""

    def demand(self, schemas: tuple[Schema, ...]) -> None:
        """Ask for a snapshot of these tables among the next batches, from any thread.

        Of no tables, it asks for an empty batch of any map, which says that time has passed.
        """

    def snapshot(self, schemas: Iterable[Schema]) -> Iterator[Batch]:
        """Read these tables now, in the thread that iterates over the result, until ``close``.

        Another thread may iterate over the source at the same time.
        """

    def stop(self) -> None:
        """End the iteration, from any thread or signal handler. Does not wait."""

    def close(self) -> None:
        """Release everything; called after the iteration has ended."""


class Sink(Protocol):
    """Where batches go; each sink is a file in ``outputs/``."""

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Prepare for the maps of the decoders, which are shared with stages and other sinks."""

    def write(self, batch: Batch) -> None:
        """Take one batch; it owns its bytes and may be kept."""

    def close(self) -> None:
        """Flush and release; also called after an ``open`` that failed."""
