"""Count the stacks of a run's rows: those of streams as they come, of tables the last snapshot."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.events.stacks import Stacks
from beepy.log import Log
from beepy.text import safe

_log = Log(__name__)

MAX_STACKS: Final = 1 << 16
_MAX_TEXT: Final = 64 << 20  # bytes of all frames
_OTHER: Final = ("[other]",)

Key = tuple[tuple[str, ...], tuple[str, ...]]
"""What is shown before a stack, and its frames."""


class Counted(NamedTuple):
    """A map's stacks, and the sums of their numbers.

    ``begun`` is the snapshot of a table that is being read, ``complete`` the last one.
    """

    stacks: Stacks
    counts: dict[Key, int]
    begun: list[Batch]
    complete: list[Batch]


class StackCounts:
    """Sums of the values of equal stacks; so many are held, and further ones are one other."""

    def __init__(self) -> None:
        self.maps: dict[Schema, Counted] = {}
        self._size = 0
        self._others = 0  # rows of stacks that are not held

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Prepare for the maps of the decoders, each with stacks."""
        self.maps = {d.schema: Counted(Stacks(d), {}, [], []) for d in decoders}

    def add(self, batch: Batch) -> None:
        """Count a batch. The entries of a table that keeps them are read at the end."""
        counted = self.maps[batch.schema]
        if batch.schema.is_stream or batch.schema.drains:
            self._add(counted, batch)
            return
        if counted.begun and counted.begun[0].snapshot != batch.snapshot:
            counted.begun.clear()  # it did not end
        counted.begun.append(batch)
        if batch.final:
            counted.complete[:] = counted.begun
            counted.begun.clear()

    def rows(self) -> Iterator[tuple[Schema, Key, int]]:
        """Yield all stacks, once, and warn of those that are not held."""
        for schema, counted in self.maps.items():
            for batch in counted.complete:
                self._add(counted, batch)
            for key, count in counted.counts.items():
                yield schema, key, count
        if self._others:
            _log.warning(
                "%d rows have stacks beyond the first %d: counted as %s",
                self._others,
                MAX_STACKS,
                _OTHER[0],
            )

    def _add(self, counted: Counted, batch: Batch) -> None:
        counts = counted.counts
        for before, frames, value in counted.stacks.samples(batch) if batch.records else ():
            key = before, frames
            if key not in counts:
                size = sum(map(len, frames)) + sum(map(len, before))
                if len(counts) >= MAX_STACKS or self._size + size > _MAX_TEXT:
                    self._others += 1
                    key = (), _OTHER
                else:
                    self._size += size
            counts[key] = counts.get(key, 0) + value


def shown(text: str) -> str:
    """Return a frame's text as it may stand in a file: on one line, and safe for a terminal."""
    return safe(text) or "[unknown]"
