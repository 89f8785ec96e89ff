"""Batches cut to some of their rows; a row is a record, or one CPU's value where a per-CPU table is not summed."""

import struct
from collections.abc import Sequence
from itertools import compress

from beepy.btf.types import VOID
from beepy.events.batch import Batch, Part
from beepy.events.fields import VALUE, is_summed


def per_cpu_rows(batch: Batch) -> Batch:
    """Return a per-CPU table's batch with one record a CPU, its number in a third part; any other batch as it is.

    Integers are left alone: their rows are the sums over all CPUs.
    """
    schema = batch.schema
    if not schema.cpus or len(batch.parts) != 2 or is_summed(schema):
        return batch
    keys, values = batch.parts
    repeated = b"".join([key * schema.cpus for key in _pieces(keys, batch.records)])
    cpus = struct.pack(f"<{schema.cpus}I", *range(schema.cpus)) * batch.records
    parts = (keys._replace(raw=repeated), values._replace(stride=values.stride // schema.cpus), Part(cpus, 4, 0))
    return batch._replace(parts=parts, records=batch.records * schema.cpus, length=schema.value_size)


def select(batch: Batch, mask: Sequence[int]) -> Batch:
    """Return the batch (of ``per_cpu_rows``) with the rows whose mask is true; its other members stay the same."""
    parts = [part._replace(raw=_joined(part, mask)) for part in batch.parts]
    return batch._replace(parts=tuple(parts), records=sum(mask))


def head(batch: Batch, count: int) -> Batch:
    """Return at most the first ``count`` rows of the batch; its other members (lost, final) stay the same."""
    batch = per_cpu_rows(batch)
    if batch.records <= count:
        return batch
    parts = [part._replace(raw=part.raw[: part.stride * count]) for part in batch.parts]
    return batch._replace(parts=tuple(parts), records=count)


def tail(batch: Batch, count: int) -> Batch:
    """Return the rows of the batch after the first ``count``; its other members stay the same."""
    batch = per_cpu_rows(batch)
    return select(batch, [0] * count + [1] * max(batch.records - count, 0))


def without_zeros(batch: Batch) -> Batch:
    """Return the batch of a table without the rows whose value is 0, any other batch as it is."""
    if batch.schema.record != VOID or not batch.records:
        return batch
    batch = per_cpu_rows(batch)
    raw, stride, _ = batch.parts[VALUE]
    zero = bytes(stride)
    return select(batch, [raw[at : at + stride] != zero for at in range(0, batch.records * stride, stride)])


def _joined(part: Part, mask: Sequence[int]) -> bytes:
    return b"".join(compress(_pieces(part, len(mask)), mask))


def _pieces(part: Part, count: int) -> list[bytes]:
    raw, stride, _ = part
    return [raw[stride * at : stride * (at + 1)] for at in range(count)]  # of no bytes, too
