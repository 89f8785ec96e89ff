"""The metrics that ebpf_exporter's YAML describes, as ebpf_exporter writes them.

A table is read for each page: its keys are cut into labels, entries with equal labels are summed,
and a histogram's buckets are made cumulative. The records of a perf event array are counted.
"""

import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from beepy.errors import DecodeError
from beepy.events.batch import Batch, Part
from beepy.events.label_decoders import MachineNames, compiled
from beepy.events.memo import Memo
from beepy.obj.exporter import Buckets, MetricPlan
from beepy.outputs.exposition import Histogram, head, histogram_samples, label_texts, samples
from beepy.outputs.series import pieces
from beepy.outputs.series_limit import SeriesLimit

_UNLABELED: Final = bytes(4)  # the key of a metric without labels
_CPU: Final = struct.Struct("<H")
_MAX_PENDING: Final = 1 << 14  # records


class Series(NamedTuple):
    """What a key stands for: the labels as the page has them, and the number of a bucket."""

    labels: str
    bucket: int


class Keys:
    """Decodes keys, or records, to the series of a plan; the last thousands are remembered.

    ``other`` are the labels of the series that those beyond the limit share.
    """

    def __init__(self, plan: MetricPlan, names: MachineNames) -> None:
        labels = plan.labels[:-1] if plan.buckets else plan.labels
        self._plan = plan
        self._decode = [compiled(label, names) for label in plan.labels]
        self._size = sum([label.span for label in plan.labels])
        # labels are sorted by name, as Go's client does
        self._order = sorted(range(len(labels)), key=lambda position: labels[position].name)
        self._names = [labels[position].name for position in self._order]
        self._memo = Memo(self._series)
        (self.other,) = label_texts(self._names, [["other"]] * len(labels), 1)

    def series(self, raw: bytes) -> Series | None:
        """Return the series of a key, None if it is left out. Raises DecodeError."""
        series: Series | None = self._memo[raw]
        return series

    def _series(self, raw: bytes) -> Series | None:
        plan = self._plan
        if plan.percpu and len(plan.labels) == 1 and raw.startswith(_UNLABELED):
            raw = raw[len(_UNLABELED) :]
        if len(raw) != self._size and (plan.labels or raw != _UNLABELED):
            raise DecodeError(f"a key of {len(raw)} bytes, its labels have {self._size}")
        texts, at = [], 0
        for label, decode in zip(plan.labels, self._decode, strict=True):
            text = decode(raw[at : at + label.size])
            if text is None:
                return None
            texts.append(text)
            at += label.span
        bucket = _bucket_number(texts[-1]) if plan.buckets else 0
        (labels,) = label_texts(self._names, [[texts[position]] for position in self._order], 1)
        return Series(labels, bucket)


def _bucket_number(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise DecodeError(f"bucket '{text[:40]}': not a number") from None


class TablePlan:
    """A counter or histogram that a table feeds."""

    def __init__(self, plan: MetricPlan, names: MachineNames, max_series: int) -> None:
        self.plan = plan
        self._keys = Keys(plan, names)
        lines = len(plan.buckets.bounds) + 3 if plan.buckets else 1
        self.limit = SeriesLimit(plan.name, self._keys.other, max_series, lines)

    def page(self, batches: Iterable[Batch]) -> list[bytes]:
        """Return the lines of a snapshot, without series none. Raises DecodeError."""
        counts: dict[str, Counter[float]] = {}  # by labels and bucket
        self.limit.clear()
        for batch in batches:
            for key, value in _entries(batch, split=self.plan.percpu):
                series = self._keys.series(key)
                if series is not None:
                    _numbers(counts, series.labels, self.limit)[series.bucket] += value
        if not counts:
            return []
        return _lines(self.plan, counts)


class EventsPlan:
    """A counter of the records of a perf event array; it is emptied each ``flush_s`` seconds.

    Records are counted as bytes when they come, and decoded for a page.
    """

    def __init__(
        self,
        plan: MetricPlan,
        names: MachineNames,
        max_series: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.plan = plan
        self._keys = Keys(plan, names)
        self.limit = SeriesLimit(plan.name, self._keys.other, max_series)
        self._size = sum([label.span for label in plan.labels])
        self._clock = clock
        self._flush_at = clock() + plan.flush_s
        # The stream's thread, which takes ``_pending_lock``, waits for a page that is rendered
        # under ``_series_lock`` only when too many records are pending.
        self._pending_lock = threading.Lock()
        self._pending: Counter[bytes] = Counter()
        self._series_lock = threading.Lock()
        self._counts: dict[str, Counter[float]] = {}
        self.errors = 0  # records that could not be decoded

    def write(self, batch: Batch) -> None:
        """Count the records of a batch; called by the stream's thread."""
        part, length = batch.parts[0], min(batch.length, self._size)
        with self._pending_lock:
            self._pending.update(_pieces(part, batch.records, length))
            full = len(self._pending) >= _MAX_PENDING
        if full:
            with self._series_lock:
                self._fold()

    def page(self) -> list[bytes]:
        """Return the lines; any thread may call it."""
        with self._series_lock:
            self._fold()
            return _lines(self.plan, self._counts) if self._counts else []

    def _fold(self) -> None:
        """Decode the pending records into series."""
        self._flush()
        with self._pending_lock:
            pending, self._pending = self._pending, Counter()
        for record, count in pending.items():
            try:
                series = self._keys.series(record)
            except DecodeError:
                self.errors += count
                continue
            if series is not None:
                _numbers(self._counts, series.labels, self.limit)[0] += count

    def _flush(self) -> None:
        now = self._clock()
        if now >= self._flush_at:
            self._flush_at = now + self.plan.flush_s
            with self._pending_lock:
                self._pending.clear()
            self._counts.clear()
            self.limit.clear()


def _numbers(
    counts: "dict[str, Counter[float]]", labels: str, limit: SeriesLimit
) -> "Counter[float]":
    """Return the numbers of a series by bucket, or those that series beyond the limit share."""
    if labels not in counts and not limit.admit(labels):
        labels = limit.overflow_key()
    return counts.setdefault(labels, Counter())


def _entries(batch: Batch, *, split: bool) -> Iterator[tuple[bytes, int]]:
    """Yield key and value of each entry; ``split``: of each CPU, its number behind the key."""
    schema = batch.schema
    keys = _pieces(batch.parts[0], batch.records, schema.key_size)
    values, cpus = batch.parts[1], schema.cpus or 1
    count = batch.records * cpus
    if values.stride != 8 * cpus or len(values.raw) < 8 * count:
        raise DecodeError(f"map '{schema.map}': values in steps of {values.stride} bytes")
    numbers = struct.unpack_from(f"<{count}Q", values.raw)
    for row, key in enumerate(keys):
        slots = numbers[row * cpus : (row + 1) * cpus]
        if split:
            for cpu, value in enumerate(slots):
                yield key + _CPU.pack(cpu), value
        else:
            yield key, sum(slots)


def _pieces(part: Part, count: int, size: int) -> list[bytes]:
    raw, stride, skip = part
    if count and len(raw) < stride * (count - 1) + skip + size:
        raise DecodeError(f"{len(raw)} bytes for {count} records in steps of {stride}")
    return [raw[at + skip : at + skip + size] for at in range(0, stride * count, stride or 1)]


def _lines(plan: MetricPlan, counts: "dict[str, Counter[float]]") -> list[bytes]:
    kind = "histogram" if plan.buckets else "counter"
    lines: Iterator[str]
    if plan.buckets:
        bounds = plan.buckets.bounds
        histograms = {
            labels: _histogram(plan.buckets, numbers) for labels, numbers in counts.items()
        }
        lines = histogram_samples(plan.name, bounds, histograms)
    else:
        lines = samples(plan.name, {labels: numbers[0] for labels, numbers in counts.items()})
    return [head(plan.name, kind, plan.help).encode(), *pieces(lines)]


def _histogram(buckets: Buckets, numbers: "Counter[float]") -> Histogram:
    """Return a histogram of the buckets in the map; what is in others is not counted."""
    histogram = Histogram(len(buckets.bounds))
    histogram.counts[:-1] = [numbers[number] for number in buckets.numbers]
    histogram.total = float(numbers[buckets.total]) * buckets.multiplier
    return histogram
