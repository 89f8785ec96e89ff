"""Records counted as bytes, and decoded when they are to be shown: equal ones once."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from beepy.events.batch import Batch, Part
from beepy.events.decoder import Decoder
from beepy.events.fields import Field
from beepy.outputs.columns.cells import Cell

_MOST_HELD: Final = 65_536  # raw records
_MOST_BYTES: Final = 8 << 20  # ... and what they may take together
_DECODED: Final = 4096  # records at a time


class Held:
    """What a stream brought since it was last taken; ``full`` says that it should be taken now.

    ``ordered``: the last arrival of a record counts, not how often it came.
    """

    def __init__(self, decoder: Decoder, *, ordered: bool = False) -> None:
        self._decoder = decoder
        self._ordered = ordered
        self._longest = decoder.size  # bytes of a record
        self._records: Counter[bytes] = Counter()

    def add(self, batch: Batch) -> None:
        """Count the records of a batch."""
        records = self._decoder.raw(batch)
        self._longest = max(self._longest, batch.length)
        if not self._ordered:
            self._records.update(records)
            return
        for record in records:
            self._records.pop(record, None)
            self._records[record] = 1

    @property
    def full(self) -> bool:
        """Whether as many different records are held as may be."""
        return len(self._records) >= min(_MOST_HELD, _MOST_BYTES // (self._longest + 128))

    def take(self) -> Iterator[tuple[Batch, list[int]]]:
        """Return the different records as batches, with how often each came, and forget them."""
        records, self._records = self._records, Counter()
        run: list[bytes] = []
        counts: list[int] = []
        for record, count in records.items():
            if run and (len(record) != len(run[0]) or len(run) == _DECODED):
                yield self._batch(run), counts
                run, counts = [], []
            run.append(record)
            counts.append(count)
        if run:
            yield self._batch(run), counts

    def _batch(self, records: Sequence[bytes]) -> Batch:
        length = len(records[0])
        part = Part(b"".join(records), length, 0)
        return Batch(self._decoder.schema, (part,), len(records), length, 0)


class Labels:
    """The texts of some fields of each record, safe for a terminal."""

    def __init__(self, decoder: Decoder, cells: Mapping[Field, Cell]) -> None:
        self.cells = tuple(cells.values())
        self._view = decoder.view(tuple(cells), lambda field: cells[field].text, absent="")

    def texts(self, batch: Batch) -> list[tuple[str, ...]]:
        """Return a tuple of texts a row."""
        if not self.cells:
            return [()] * batch.records
        return list(zip(*self._view.columns(batch), strict=True))
