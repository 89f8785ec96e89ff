"""Cut batches to some of their rows.

A row is a record, an entry of a table, or one CPU's value in an entry whose values are not summed.
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import compress

from beepy.events.batch import Batch, Part
from beepy.events.fields import VALUE, is_summed


def expand_per_cpu(batch: Batch) -> Batch:
    """Return the batch of a per-CPU table with a row for each CPU, any other batch unchanged.

    ::

        keys     | a       | b       |       keys     | a  | a  | b  | b  |
        values   | a0 | a1 | b0 | b1 |       values   | a0 | a1 | b0 | b1 |
                                             CPUs     | 0  | 1  | 0  | 1  |

    Integers are not expanded: the decoder adds them up over all CPUs, so an entry is one row. Only
    the reader of a table calls this.
    """
    schema = batch.schema
    if not schema.cpus or is_summed(schema):
        return batch
    keys, values = batch.parts
    repeated = b"".join([key * schema.cpus for key in _pieces(keys, batch.records)])
    cpus = struct.pack(f"<{schema.cpus}I", *range(schema.cpus)) * batch.records
    parts = (
        keys._replace(raw=repeated),
        values._replace(stride=values.stride // schema.cpus),
        Part(cpus, 4, 0),
    )
    return batch._replace(
        parts=parts, records=batch.records * schema.cpus, length=schema.value_size
    )


def select(batch: Batch, mask: Sequence[int]) -> Batch:
    """Return the batch with the rows for which the mask is true; its other members are kept."""
    parts = [part._replace(raw=_joined(part, mask)) for part in batch.parts]
    return batch._replace(parts=tuple(parts), records=sum(mask))


def take(batch: Batch, count: int) -> Batch:
    """Return the batch with at most its first ``count`` rows; its other members are kept."""
    if batch.records <= count:
        return batch
    parts = [part._replace(raw=part.raw[: part.stride * count]) for part in batch.parts]
    return batch._replace(parts=tuple(parts), records=count)


def drop(batch: Batch, count: int) -> Batch:
    """Return the batch without its first ``count`` rows; its other members are kept."""
    return select(batch, [0] * count + [1] * max(batch.records - count, 0))


def slices(batch: Batch, count: int) -> Iterator[Batch]:
    """Yield the rows in batches of at most ``count``; losses are in the first, the end in the last.

    A batch without rows is yielded as it is.
    """
    if batch.records <= count:
        yield batch
        return
    for start in range(0, batch.records, count):
        end = min(start + count, batch.records)
        parts = [
            part._replace(raw=part.raw[part.stride * start : part.stride * end])
            for part in batch.parts
        ]
        yield batch._replace(
            parts=tuple(parts),
            records=end - start,
            lost=batch.lost if not start or batch.lost is None else 0,
            final=batch.final and end == batch.records,
        )


def without_zeros(batch: Batch) -> Batch:
    """Return the batch of a table without the rows of value 0, any other batch unchanged."""
    if batch.schema.is_stream or not batch.records:
        return batch
    raw, stride, _ = batch.parts[VALUE]
    zero = bytes(stride)
    return select(
        batch, [raw[at : at + stride] != zero for at in range(0, batch.records * stride, stride)]
    )


def _joined(part: Part, mask: Sequence[int]) -> bytes:
    return b"".join(compress(_pieces(part, len(mask)), mask))


def _pieces(part: Part, count: int) -> list[bytes]:
    raw, stride, _ = part
    return [
        raw[stride * at : stride * (at + 1)] for at in range(count)
    ]  # a stride of 0 is possible
