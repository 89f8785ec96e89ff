"""Records counted as bytes when they come, and decoded when somebody wants to see them: equal ones once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import Final

from beepy.events.batch import Batch, Part
from beepy.events.decoder import Decoder

_MOST: Final = 65_536  # raw records
_MOST_BYTES: Final = 8 << 20  # ... and what they may take together
_DECODED: Final = 4096  # records at a time
_DECODED_BYTES: Final = 1 << 20


class Held:
    """What a stream brought since it was last taken; ``full`` says that it should be taken now.

    ``ordered``: the last arrival of a record counts, not how often it came.
    """

    def __init__(self, decoder: Decoder, *, ordered: bool) -> None:
        self._decoder = decoder
        self._ordered = ordered
        self._longest = decoder.size  # bytes of a record
        self._records: Counter[bytes] = Counter()

    def add(self, batch: Batch) -> None:
        """Count the records of a batch."""
        records = self._decoder.raw(batch)
        self._longest = max(self._longest, batch.length)
        if self._ordered:
            held = self._records
            for record in records:
                held.pop(record, None)
                held[record] = 1
        else:
            self._records.update(records)

    @property
    def full(self) -> bool:
        """Whether as many different records are held as may be."""
        return len(self._records) >= min(_MOST, _MOST_BYTES // (self._longest + 128))

    def take(self) -> "Counter[bytes]":
        """Return the different records and how often each came, and forget them."""
        records, self._records = self._records, Counter()
        return records


def batches(decoder: Decoder, records: "Counter[bytes]") -> Iterator[tuple[Batch, list[int]]]:
    """Return records that were held, in their order, as batches to decode, with how often each came."""
    for length, items in groupby(records.items(), lambda item: len(item[0])):
        while chunk := list(islice(items, at_once(length))):
            yield batch_of(decoder, [raw for raw, _ in chunk]), [count for _, count in chunk]


def at_once(length: int) -> int:
    """Return how many records of so many bytes are decoded at once."""
    return max(1, min(_DECODED, _DECODED_BYTES // (length + 1)))


def batch_of(decoder: Decoder, records: Sequence[bytes]) -> Batch:
    """Return equally long pieces of what ``Decoder.raw`` took apart (records, or a table's keys) as a batch again."""
    length = len(records[0])
    stride = max(length, 1)  # a record may be empty
    raw = b"".join(records).ljust(stride * len(records), b"\0")
    return Batch(decoder.schema, (Part(raw, stride, 0),), len(records), length, time_ns=0)
