"""Metrics of maps: a stream's records added up, or the entries that a table holds now."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeAlias, cast

from beepy.btf.layout import size_of
from beepy.events.batch import Batch, Schema, lost_yet, total_lost
from beepy.events.codec import Value
from beepy.events.decoder import Decoder
from beepy.events.fields import CPU, Field
from beepy.events.metrics import SCOPE
from beepy.events.naming import label_names
from beepy.obj.spec import Role
from beepy.outputs.exposition import Histogram, histogram_samples, label_texts, samples
from beepy.outputs.pending import PendingRecords, records_per_batch, to_batch, to_batches
from beepy.outputs.series_limit import SeriesLimit

_PIECE: Final = 1 << 18  # characters of a piece of the page

_Entry: TypeAlias = bytes | str
"""Identifies a row of a table: its key, or its labels if several rows have one key."""


class StreamCounts:
    """Counters of one stream; ``lost`` is None if its source cannot count lost records.

    ``short`` counts records shorter than their type: the members that they lack have no value.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.events = 0
        self.short = 0
        self.lost = lost_yet(schema)
        self._size = size_of(schema.btf, schema.record)

    def add(self, batch: Batch) -> None:
        """Count the records of a batch."""
        self.events += batch.records
        if batch.length < self._size:
            self.short += batch.records
        self.lost = total_lost(self.lost, batch.lost)


class MetricLabels:
    """The labels of a metric: fields of its records (or keys), sorted by label name.

    ``names`` are those of the labels, before they are made valid, in the order of ``fields``.
    ``image`` and ``scope`` are more labels with the same value for all series, unless they are "".
    No label of a field gets a name in ``taken``. ``other`` is the text in which each label of a
    field has the value ``other``.
    """

    def __init__(
        self,
        decoder: Decoder,
        fields: Sequence[Field],
        names: Sequence[str],
        *,
        image: str = "",
        taken: Iterable[str] = (),
        scope: str = "",
    ) -> None:
        self._decoder = decoder
        count = len(fields)
        constants = [text for text in (image, scope) if text]
        valid = [*label_names([*names, *["image"] * bool(image)], taken), *[SCOPE] * bool(scope)]
        # Positions in ``valid`` by name; the constants are behind the fields.
        order = sorted(range(len(valid)), key=valid.__getitem__)
        self._names = tuple([valid[position] for position in order])
        self._fields = tuple([fields[position] for position in order if position < count])
        self._constants = [
            (at, constants[position - count])
            for at, position in enumerate(order)
            if position >= count
        ]
        (self.other,) = label_texts(self._names, self._columns([["other"]] * count, 1), 1)

    def texts(self, batch: Batch) -> list[str]:
        """Return the labels of each row as the page has them between the braces."""
        columns = self._decoder.texts(batch, self._fields) if self._fields else []
        return label_texts(self._names, self._columns(columns, batch.records), batch.records)

    def _columns(self, columns: Sequence[Sequence[str]], rows: int) -> list[Sequence[str]]:
        """Return the columns of all labels, those of constants too."""
        columns = [*columns]
        for at, text in self._constants:
            columns.insert(at, [text] * rows)
        return columns


class EventMetric:
    """A metric that every record of a stream changes, or every row that is taken out of a table.

    Arriving records are not decoded: equal ones are counted as bytes, and decoded into series for a
    scrape, or when many are pending; rows of tables are decoded at once. ``value`` is the field
    with the number of a gauge or histogram, or what a counter adds up (None: records are counted);
    a record that is too short to have it changes nothing. ``slots``: it has a number for each
    bucket, and bucket N counts values from 2**N on.
    """

    def __init__(
        self,
        name: str,
        role: Role,
        decoder: Decoder,
        labels: MetricLabels,
        *,
        value: Field | None,
        bounds: Sequence[float],
        max_series: int,
        slots: bool = False,
    ) -> None:
        self.name = name
        self._role = role
        self._slots = slots
        self._decoder = decoder
        self._labels = labels
        self._value = value
        self._bounds = tuple(bounds)
        # A histogram's series has a line for each bucket, +Inf, _sum and _count.
        lines = len(self._bounds) + 3 if role is Role.HIST else 1
        self.limit = SeriesLimit(name, labels.other, max_series, lines)
        # Two locks: a scrape decodes under ``_series_lock``, and the stream's thread, which takes
        # ``_pending_lock`` for each batch, waits for that only when too many records are pending.
        self._pending_lock = threading.Lock()
        self._pending = PendingRecords(decoder, ordered=role is Role.GAUGE)  # the last value wins
        self._series_lock = threading.Lock()
        self._numbers: dict[str, float] = {}
        self._histograms: dict[str, Histogram] = {}

    def write(self, batch: Batch) -> None:
        """Add a batch; called by the stream's thread."""
        if not batch.schema.is_stream:
            with self._series_lock:
                self._update(batch, [1] * batch.records)
            return
        with self._pending_lock:
            self._pending.add(batch)
            full = self._pending.full
        if full:
            with self._series_lock:
                self._fold()

    def page(self) -> list[bytes]:
        """Return the lines of all series in pieces; any thread may call it."""
        with self._series_lock:
            self._fold()
            if self._role is Role.HIST:
                return pieces(histogram_samples(self.name, self._bounds, self._histograms))
            return pieces(samples(self.name, self._numbers))

    def _fold(self) -> None:
        """Decode the pending records into series."""
        with self._pending_lock:
            records = self._pending.take()
        for batch, counts in to_batches(self._decoder, records):
            self._update(batch, counts)

    def _update(self, batch: Batch, counts: list[int]) -> None:
        """Update the series by a batch of different records; each came ``counts`` times."""
        if self._value is None:
            self._count(self._labels.texts(batch), counts)
        elif self._value.is_in(batch.length):
            labels = self._labels.texts(batch)
            (values,) = self._decoder.values(batch, [self._value])
            if self._slots:
                self._observe_slots(labels, counts, cast("Sequence[Sequence[int]]", values))
            elif self._role is Role.HIST:
                self._observe(labels, counts, values)
            elif self._role is Role.COUNTER:
                self._sum(labels, counts, values)
            else:
                self._set(labels, values)

    def _count(self, labels: list[str], counts: list[int]) -> None:
        series = self._numbers
        for key, count in zip(self.limit.keys(labels), counts, strict=True):
            series[key] = series.get(key, 0) + count

    def _sum(self, labels: list[str], counts: list[int], values: list[Value]) -> None:
        series = self._numbers
        for key, count, value in zip(self.limit.keys(labels), counts, values, strict=True):
            series[key] = series.get(key, 0) + _number(value) * count

    def _set(self, labels: list[str], values: list[Value]) -> None:
        series = self._numbers
        for key, value in zip(self.limit.keys(labels), values, strict=True):
            series[key] = _number(value)

    def _observe(self, labels: list[str], counts: list[int], values: list[Value]) -> None:
        series = self._histograms
        for key, count, value in zip(self.limit.keys(labels), counts, values, strict=True):
            histogram = series.get(key)
            if histogram is None:
                histogram = series[key] = Histogram(len(self._bounds))
            histogram.observe(self._bounds, _number(value), count)

    def _observe_slots(
        self, labels: list[str], counts: list[int], values: Sequence[Sequence[int]]
    ) -> None:
        series = self._histograms
        for key, count, slots in zip(self.limit.keys(labels), counts, values, strict=True):
            histogram = series.get(key)
            if histogram is None:
                histogram = series[key] = Histogram(len(self._bounds))
            for slot, number in enumerate(slots[: len(self._bounds)]):
                histogram.counts[slot] += number * count
                histogram.total += float(number * count << slot)  # the least that they may be


class TableMetric:
    """A metric with a series for each entry of a table, as the last snapshot has them.

    Values of entries with equal labels are summed, and so are those of entries beyond
    ``max_series``. An entry that has a series keeps it before new entries get one. ``aggregated``:
    many entries have equal labels, as not all fields of the key are labels.
    """

    def __init__(
        self,
        name: str,
        decoder: Decoder,
        labels: MetricLabels,
        value: Field,
        max_series: int,
        *,
        aggregated: bool = False,
    ) -> None:
        self.name = name
        self._decoder = decoder
        self._labels = labels
        self._value = value
        self.limit = SeriesLimit(name, labels.other, max_series)
        self._chunk = records_per_batch(decoder.size)
        self._aggregated = aggregated
        # Where each CPU has its row, several rows have one key: they are identified by their
        # labels.
        self._has_cpu_rows = any(field.part == CPU for field in decoder.fields)
        self._lock = threading.Lock()
        self._labels_of: dict[_Entry, str] = {}  # the entries with a series on the last page

    def page(self, batches: Sequence[Batch]) -> list[bytes]:
        """Return the lines of all series of a snapshot in pieces; any thread may call it."""
        with self._lock:
            return pieces(samples(self.name, self._read(batches)))

    def _read(self, batches: Sequence[Batch]) -> dict[str, float]:
        """Return the sum of the values by labels."""
        keyed_batches = [(batch, self._entries(batch)) for batch in batches]
        # Entries of the last page take their part of the limit before new ones, and their labels
        # need not be decoded again.
        labels_of = {
            entry: self._labels_of[entry]
            for _, entries in keyed_batches
            for entry in entries
            if entry in self._labels_of
        }
        self.limit.clear()
        for labels in labels_of.values():
            self.limit.admit(labels)
        series: dict[str, float] = {}
        for batch, entries in keyed_batches:
            labels_of |= self._admit([entry for entry in entries if entry not in labels_of])
            (values,) = self._decoder.values(batch, [self._value])
            for entry, value in zip(entries, values, strict=True):
                key = labels_of.get(entry)
                if key is None:
                    key = self.limit.overflow_key()
                series[key] = series.get(key, 0) + _number(value)
        self._labels_of = labels_of
        return series

    def _admit(self, entries: Sequence[_Entry]) -> dict[_Entry, str]:
        """Return the labels of the new entries that get a series.

        Labels are decoded a chunk at a time until the limit is reached, and no further, unless
        later entries may have the labels of an earlier one.
        """
        admitted: dict[_Entry, str] = {}
        rest = iter(entries)
        while chunk := list(islice(rest, self._next_chunk())):
            pairs = zip(chunk, self._decode_labels(chunk), strict=True)
            admitted |= {entry: labels for entry, labels in pairs if self.limit.admit(labels)}
        return admitted

    def _next_chunk(self) -> int:
        return self._chunk if self._aggregated else min(self.limit.series_left, self._chunk)

    def _entries(self, batch: Batch) -> Sequence[_Entry]:
        """Return what identifies each row."""
        return self._labels.texts(batch) if self._has_cpu_rows else self._decoder.raw(batch)

    def _decode_labels(self, entries: Sequence[_Entry]) -> Sequence[str]:
        """Return the labels of each entry."""
        if self._has_cpu_rows:
            return cast("Sequence[str]", entries)
        return self._labels.texts(to_batch(self._decoder, cast("Sequence[bytes]", entries)))


def _number(value: Value) -> float:
    assert isinstance(value, int | float), "the values of a metric's field are numbers"
    return value


def pieces(lines: Iterator[str]) -> list[bytes]:
    """Join lines into pieces of a page.

    A page in one text would take twice its memory while it is joined and encoded.
    """
    joined, piece, size = [], [], 0
    for line in lines:
        piece.append(line)
        size += len(line)
        if size > _PIECE:
            joined.append("".join(piece).encode())
            piece, size = [], 0
    return [*joined, "".join(piece).encode()] if piece else joined
