"""The state behind a map's metric: what has been counted of a stream's records, or what a table holds now."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

from beepy.btf.layout import size_of
from beepy.events.batch import Batch, Schema, lost_yet, total_lost
from beepy.events.codec import Value
from beepy.events.decoder import Decoder
from beepy.events.fields import CPU, Field
from beepy.events.naming import label_names
from beepy.log import Log
from beepy.obj.spec import Role
from beepy.outputs.exposition import Histogram, histogram_samples, label_texts, samples
from beepy.outputs.held import Held, at_once, batch_of, batches

_log = Log(__name__)

_MOST_TEXT: Final = 16 << 20  # bytes of the labels of a metric's series
_PIECE: Final = 1 << 18  # characters of a piece of the page


class Counts:
    """What one map's stream brought; ``lost`` is None where its source cannot tell.

    ``short`` counts records that are shorter than their type: members that they lack have no value.
    """

    def __init__(self, schema: Schema) -> None:
        self.events = 0
        self.short = 0
        self.lost = lost_yet(schema)
        self._size = size_of(schema.btf, schema.record)

    def add(self, batch: Batch) -> None:
        """Count a batch."""
        self.events += batch.records
        if batch.length < self._size:
            self.short += batch.records
        self.lost = total_lost(self.lost, batch.lost)


class Labels:
    """The labels of a metric: fields of its records (or keys), sorted by label name.

    ``image`` is one more label, the same for all series, unless it is "". ``taken`` are names that no label may have.
    """

    def __init__(self, decoder: Decoder, fields: Iterable[Field], image: str = "", taken: Iterable[str] = ()) -> None:
        self._decoder = decoder
        found = [*fields]
        wanted = [field.label for field in found] + (["image"] if image else [])
        names = label_names(wanted, taken)
        order = sorted(range(len(names)), key=names.__getitem__)
        self._names = tuple([names[at] for at in order])
        self._fields = tuple([found[at] for at in order if at < len(found)])
        self._image = image
        self._image_at = order.index(len(found)) if image else 0
        (self.other,) = label_texts(self._names, [["other"]] * len(self._names), 1)

    def texts(self, batch: Batch) -> list[str]:
        """Return each row's labels as they stand between the braces."""
        columns = self._decoder.texts(batch, self._fields) if self._fields else []
        if self._image:
            columns.insert(self._image_at, [self._image] * batch.records)
        return label_texts(self._names, columns, batch.records)


class EventMetric:
    """A metric that every record of a stream moves.

    A record is not decoded when it comes: equal ones are counted as bytes, and folded into series at a scrape, or when
    many are held. ``value`` is the field of a gauge's or histogram's number; a record too short to have it moves
    nothing.
    """

    def __init__(
        self,
        name: str,
        role: Role,
        decoder: Decoder,
        labels: Labels,
        *,
        value: Field | None,
        bounds: Sequence[float],
        max_series: int,
    ) -> None:
        self.name = name
        self._role = role
        self._decoder = decoder
        self._labels = labels
        self._value = value
        self._bounds = tuple(bounds)
        lines = len(self._bounds) + 3 if role is Role.HIST else 1  # of a series: buckets, +Inf, _count and _sum
        self._limit = _Limit(name, labels, max_series, lines)
        self._holding = threading.Lock()  # the stream's thread holds it for each batch, so nothing long happens in it
        self._held = Held(decoder, ordered=role is Role.GAUGE)  # of equal labels the last record wins
        self._folding = threading.Lock()
        self._numbers: dict[str, float] = {}
        self._histograms: dict[str, Histogram] = {}

    def write(self, batch: Batch) -> None:
        """Take a batch; called by the stream's thread."""
        with self._holding:
            self._held.add(batch)
            full = self._held.full
        if full:
            with self._folding:
                self._fold()

    def page(self) -> list[bytes]:
        """Return the lines of all series in pieces; called by any thread."""
        with self._folding:
            self._fold()
            if self._role is Role.HIST:
                return pieces(histogram_samples(self.name, self._bounds, self._histograms))
            return pieces(samples(self.name, self._numbers))

    def _fold(self) -> None:
        with self._holding:
            held = self._held.take()
        for batch, times in batches(self._decoder, held):
            self._move(batch, times)

    def _move(self, batch: Batch, times: list[int]) -> None:
        """Let each record of the batch move the metric as many ``times``."""
        if self._value is None:
            self._count(self._labels.texts(batch), times)
        elif self._value.is_in(batch.length):
            labels = self._labels.texts(batch)
            (values,) = self._decoder.values(batch, [self._value])
            if self._role is Role.HIST:
                self._observe(labels, times, values)
            else:
                self._set(labels, values)

    def _count(self, labels: list[str], times: list[int]) -> None:
        series = self._numbers
        for key, count in zip(self._limit.keys(labels), times, strict=True):
            series[key] = series.get(key, 0) + count

    def _set(self, labels: list[str], values: list[Value]) -> None:
        series = self._numbers
        for key, value in zip(self._limit.keys(labels), values, strict=True):
            series[key] = _number(value)

    def _observe(self, labels: list[str], times: list[int], values: list[Value]) -> None:
        series = self._histograms
        for key, count, value in zip(self._limit.keys(labels), times, values, strict=True):
            histogram = series.get(key)
            if histogram is None:
                histogram = series[key] = Histogram(len(self._bounds))
            histogram.observe(self._bounds, _number(value), count)


class TableMetric:
    """A metric that shows a table: a series an entry, as the last snapshot has them.

    Entries whose labels are equal are summed, and so are those that ``max_series`` leaves out. Entries that had a
    series keep it before new ones get one.
    """

    def __init__(self, name: str, decoder: Decoder, labels: Labels, value: Field, max_series: int) -> None:
        self.name = name
        self._decoder = decoder
        self._labels = labels
        self._value = value
        self._limit = _Limit(name, labels, max_series)
        self._chunk = at_once(decoder.size)
        self._by_text = any(field.part == CPU for field in decoder.fields)  # then a row is no entry
        self._lock = threading.Lock()
        self._known: dict[bytes | str, str] = {}  # entry -> its labels: those of the last page

    def page(self, batches: Sequence[Batch]) -> list[bytes]:
        """Return the lines of all series of a snapshot in pieces; called by any thread."""
        with self._lock:
            return pieces(samples(self.name, self._read(batches)))

    def _read(self, batches: Sequence[Batch]) -> dict[str, float]:
        tables = [(batch, self._entries(batch)) for batch in batches]
        self._limit.clear()
        for _, entries in tables if self._known else ():
            for entry in entries:
                if entry in self._known:
                    self._limit.takes(self._known[entry])
        series: dict[str, float] = {}
        known: dict[bytes | str, str] = {}
        for batch, entries in tables:
            (values,) = self._decoder.values(batch, [self._value])
            given = self._given([entry for entry in entries if entry not in self._known])
            for entry, value in zip(entries, values, strict=True):
                text = self._known.get(entry)
                if text is None:
                    text = given.get(entry)
                if text is None:
                    text = self._limit.other()
                else:
                    known[entry] = text
                series[text] = series.get(text, 0) + _number(value)
        self._known = known
        return series

    def _given(self, entries: Sequence[bytes | str]) -> dict[bytes | str, str]:
        """Return the labels of those entries that there is room for; no more are read than that takes."""
        given: dict[bytes | str, str] = {}
        left = iter(entries)
        while chunk := list(islice(left, min(self._limit.left, self._chunk))):
            texts = zip(chunk, self._texts(chunk), strict=True)
            given |= {entry: text for entry, text in texts if self._limit.takes(text)}
        return given

    def _entries(self, batch: Batch) -> Sequence[bytes | str]:
        return self._labels.texts(batch) if self._by_text else self._decoder.raw(batch)

    def _texts(self, entries: Sequence[bytes | str]) -> Sequence[str]:
        raw = [entry for entry in entries if isinstance(entry, bytes)]
        if not raw:
            return [entry for entry in entries if isinstance(entry, str)]
        return self._labels.texts(batch_of(self._decoder, raw))


class _Limit:
    """Bounds the series of a metric; what exceeds it counts in the one series whose labels are all ``other``.

    Labels may be long, and stand on the page once for each of the ``lines`` of a series: they are bounded together too.
    """

    def __init__(self, name: str, labels: Labels, most: int, lines: int = 1) -> None:
        self._name = name
        self._other = labels.other
        self._most = most
        self._most_text = _MOST_TEXT // lines
        self._told = False
        self.clear()

    def clear(self) -> None:
        """Forget all series: ``left`` is how many more there may be."""
        self.left = self._most
        self._text = self._most_text
        self._taken: set[str] = set()

    def takes(self, text: str) -> bool:
        """Tell whether a series of these labels is there, or is now."""
        if text in self._taken:
            return True
        if not self.left or len(text) > self._text:
            return False
        self.left -= 1
        self._text -= len(text)
        self._taken.add(text)
        return True

    def keys(self, labels: list[str]) -> Iterator[str]:
        """Return for each of ``labels`` the key to count it under."""
        for text in labels:
            yield text if self.takes(text) else self.other()

    def other(self) -> str:
        """Return the key of what exceeds the bound; the first time is reported."""
        if not self._told:
            self._told = True
            many = f"more than {self._most} series, or than {_MOST_TEXT >> 20} MiB of labels on all its lines"
            _log.warning("metric %s: %s: what exceeds them counts as 'other'", self._name, many)
        return self._other


def _number(value: Value) -> float:
    assert isinstance(value, int | float), "a metric's value is of a field whose values are numbers"
    return value


def pieces(lines: Iterator[str]) -> list[bytes]:
    """Join lines to a page's pieces, none of them large: all of a page as one text would double its memory."""
    joined, piece, size = [], [], 0
    for line in lines:
        piece.append(line)
        size += len(line)
        if size > _PIECE:
            joined.append("".join(piece).encode())
            piece, size = [], 0
    return [*joined, "".join(piece).encode()] if piece else joined
