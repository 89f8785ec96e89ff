"""Records that are counted as bytes when they arrive, and decoded later: equal ones only once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import Final

from beepy.events.batch import Batch, Part
from beepy.events.decoder import Decoder

_MAX_RECORDS: Final = 65_536  # different ones
_MAX_BYTES: Final = 8 << 20  # of all of them together
_OVERHEAD: Final = 128  # bytes that a record takes beside its own, in a dict
_BATCH_RECORDS: Final = 4096  # records that are decoded at a time
_BATCH_BYTES: Final = 1 << 20


class PendingRecords:
    """The records of a stream that were not decoded yet; take them when it is ``full``.

    ``ordered``: records are kept in the order of their last arrival and counted as 1.
    """

    def __init__(self, decoder: Decoder, *, ordered: bool) -> None:
        self._decoder = decoder
        self._ordered = ordered
        self._longest = decoder.size  # bytes of a record
        self._records: Counter[bytes] = Counter()

    def add(self, batch: Batch) -> None:
        """Count the records of a batch."""
        raw_records = self._decoder.raw(batch)
        self._longest = max(self._longest, batch.length)
        if self._ordered:
            records = self._records
            for raw in raw_records:
                records.pop(raw, None)  # so that it is inserted at the end
                records[raw] = 1
        else:
            self._records.update(raw_records)

    @property
    def full(self) -> bool:
        """Whether as many different records are pending as may be."""
        return len(self._records) >= min(_MAX_RECORDS, _MAX_BYTES // (self._longest + _OVERHEAD))

    def take(self) -> "Counter[bytes]":
        """Return the different records and how often each arrived, and forget them."""
        records, self._records = self._records, Counter()
        return records


def to_batches(decoder: Decoder, records: "Counter[bytes]") -> Iterator[tuple[Batch, list[int]]]:
    """Yield pending records, in their order, as batches to decode, with how often each arrived."""
    # A batch has records of one length.
    for length, items in groupby(records.items(), lambda item: len(item[0])):
        while chunk := list(islice(items, records_per_batch(length))):
            yield to_batch(decoder, [raw for raw, _ in chunk]), [count for _, count in chunk]


def records_per_batch(length: int) -> int:
    """Return how many records of ``length`` bytes are decoded at a time."""
    return max(1, min(_BATCH_RECORDS, _BATCH_BYTES // (length + 1)))


def to_batch(decoder: Decoder, records: Sequence[bytes]) -> Batch:
    """Return a batch of records (of a table: keys) of one length, as from ``Decoder.raw``."""
    length = len(records[0])
    stride = max(length, 1)  # a record may be empty
    raw = b"".join(records).ljust(stride * len(records), b"\0")
    return Batch(
        schema=decoder.schema,
        parts=(Part(raw, stride, 0),),
        records=len(records),
        length=length,
        time_ns=0,
    )
