"""What a run stands between: a source gives batches, sinks take them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.events.stats import RunStats


class Source(Protocol):
    """Where batches come from: the maps of loaded programs (``streams``), or a recording.

    ``schemas`` are what its batches hold, known before ``open``. ``stats`` is what the run counts in; a source notes
    there what only it knows.
    """

    schemas: tuple[Schema, ...]
    stats: RunStats

    def open(self) -> None:
        """Begin: attach the programs, or read a recording's header. Raises BeepyError; then nothing has begun."""

    def __iter__(self) -> Iterator[Batch]:
        """Give batches until ``stop`` or the end; once, in one thread."""

    def demand(self, schemas: tuple[Schema, ...]) -> None:
        """Ask for a snapshot of these tables among the next batches, from any thread."""

    def snapshot(self, schemas: Iterable[Schema]) -> Iterator[Batch]:
        """Read these tables now, in the thread that iterates, until ``close``; others may iterate at the same time."""

    def stop(self) -> None:
        """Let the iteration end; from any thread or signal handler. Does not wait."""

    def close(self) -> None:
        """Release everything; called once the iteration is over."""


class Sink(Protocol):
    """Where batches go; one file a sink in ``outputs/``."""

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Prepare for the maps whose schemas the decoders have; they are shared with others."""

    def write(self, batch: Batch) -> None:
        """Take one batch; it owns its bytes and may be kept."""

    def close(self) -> None:
        """Flush and release."""
