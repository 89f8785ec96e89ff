"""Count the stacks of a run's rows: those of streams as they come, of tables the last snapshot."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from beepy.events.batch import Batch, Schema
from beepy.events.decoder import Decoder
from beepy.events.stacks import Sample, Stacks
from beepy.log import Log
from beepy.text import safe

_log = Log(__name__)

MAX_STACKS: Final = 1 << 16
_MAX_TEXT: Final = 64 << 20  # bytes of all frames
_OTHER: Final = ("[other]",)

Key = tuple[tuple[str, ...], tuple[str, ...]]
"""What is shown before a stack, and its frames."""


class Counted(NamedTuple):
    """A map's stacks, and what their numbers are."""

    stacks: Stacks
    counts: dict[Key, int]
    begun: dict[Key, int]  # of the snapshot that is being read


class StackCounts:
    """Sums of the values of equal stacks; so many are held, and further ones are one other."""

    def __init__(self) -> None:
        self.maps: dict[Schema, Counted] = {}
        self._numbers: dict[Schema, int] = {}  # of the snapshots that are being read
        self._size = 0
        self._others = 0  # rows of stacks that are not held

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Prepare for the maps of the decoders, each with stacks."""
        self.maps = {decoder.schema: Counted(Stacks(decoder), {}, {}) for decoder in decoders}

    def add(self, batch: Batch) -> None:
        """Count a batch. The entries of a table that the kernel keeps take the place of earlier."""
        counted = self.maps[batch.schema]
        replaces = not batch.schema.is_stream and not batch.schema.drains
        if replaces and self._numbers.get(batch.schema) != batch.snapshot:
            self._numbers[batch.schema] = batch.snapshot
            self._forget(counted.begun)  # of a snapshot that did not end
        counts = counted.begun if replaces else counted.counts
        for sample in counted.stacks.samples(batch) if batch.records else ():
            self._add(counts, sample)
        if replaces and batch.final:
            self._forget(counted.counts)
            counted.counts.update(counted.begun)
            counted.begun.clear()

    def rows(self) -> Iterator[tuple[Schema, Key, int]]:
        """Yield all stacks, and warn of those that are not held."""
        for schema, counted in self.maps.items():
            for key, count in counted.counts.items():
                yield schema, key, count
        if self._others:
            _log.warning(
                "%d rows have stacks beyond the first %d: counted as %s",
                self._others,
                MAX_STACKS,
                _OTHER[0],
            )

    def _add(self, counts: dict[Key, int], sample: Sample) -> None:
        key = sample.before, sample.frames
        if key not in counts:
            size = sum(map(len, sample.frames)) + sum(map(len, sample.before))
            if len(counts) >= MAX_STACKS or self._size + size > _MAX_TEXT:
                self._others += 1
                key = (), _OTHER
            else:
                self._size += size
        counts[key] = counts.get(key, 0) + sample.value

    def _forget(self, counts: dict[Key, int]) -> None:
        for before, frames in counts:
            self._size -= sum(map(len, frames)) + sum(map(len, before))
        self._size = max(self._size, 0)
        counts.clear()


def shown(text: str) -> str:
    """Return a frame's text as it may stand in a file: on one line, and safe for a terminal."""
    return safe(text) or "[unknown]"
