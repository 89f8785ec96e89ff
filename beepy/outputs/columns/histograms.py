"""The panel of a map's histograms: one for each set of labels."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import repeat
from typing import Final, NamedTuple, TypeAlias

from beepy.btf import types
from beepy.btf.layout import skip_mods_and_typedefs, typedef_names
from beepy.events.batch import Batch, Schema
from beepy.events.batch_ops import select
from beepy.events.codec import Value
from beepy.events.decoder import Decoder
from beepy.events.fields import CPU, RECORD, VALUE, Field
from beepy.obj.spec import Role
from beepy.outputs.columns.cells import cells_of
from beepy.outputs.columns.grid import more_line, quantity
from beepy.outputs.columns.histogram import bound_slot, draw, log2_slot, min_height
from beepy.outputs.columns.labels import Ranks, RowLabels
from beepy.outputs.columns.panel import Drawing, PanelOrder, Place, Sorting
from beepy.outputs.columns.tables import TablePanel
from beepy.outputs.columns.times import local_time
from beepy.outputs.pending import PendingRecords, to_batches
from beepy.text import safe
from beepy.width import truncate

_MAX_HISTOGRAMS: Final = 1_000  # of a map
_SLOT: Final = "slot"  # the member of the key in bcc's histograms
_SLOT_TYPES: Final = frozenset(("gadget_histogram_slot__u32", "gadget_histogram_slot__u64"))
_COUNT: Final = "count"  # as ``draw`` heads it
_GAP: Final = ", "  # between two labels
_SLOTS: Final = 64  # powers of two
_NO_LIMIT: Final = 1 << 20  # columns: wider than any line
_NAMES_WITHOUT_UNIT: Final = frozenset(("le", "value", "slots", "key"))
_UNITS: Final = {
    **dict.fromkeys(("ns", "nsec", "nsecs"), "nsecs"),
    **dict.fromkeys(("us", "usec", "usecs"), "usecs"),
    **dict.fromkeys(("ms", "msec", "msecs"), "msecs"),
    **dict.fromkeys(("sec", "secs"), "secs"),
    **dict.fromkeys(("bytes", "size", "len", "length"), "bytes"),
}
_DURATION_UNITS: Final = {1: "nsecs", 1_000: "usecs", 1_000_000: "msecs", 1_000_000_000: "secs"}

_Labels: TypeAlias = tuple[str, ...]


class _Histogram(NamedTuple):
    """The counts of its slots, and what it is sorted by beside them."""

    counts: Counter[int]
    ranks: Ranks


_Shown: TypeAlias = tuple[dict[_Labels, _Histogram], int]


class HistogramFields(NamedTuple):
    """The fields of a record that make a histogram.

    Without ``slot``, ``number`` is the observed value, or the array of all slots' counts. With it,
    ``number`` is the count of that slot.
    """

    number: Field
    slot: Field | None = None


def find_fields(decoder: Decoder, value: Field | None) -> HistogramFields | None:
    """Return the fields of a map's histograms, None if it has none.

    ``value`` is the field that a stream observes.
    """
    schema, fields = decoder.schema, decoder.fields
    if schema.is_stream:
        return HistogramFields(value) if value and schema.role is Role.HIST else None
    values = [field for field in fields if field.part == VALUE]
    for field in values:
        if _is_slots(schema, field):
            return HistogramFields(field)
    slots = [
        field
        for field in fields
        if field.part == RECORD and field.path[-1] == _SLOT and field.codec.is_plain_int
    ]
    is_count = len(values) == 1 and values[0].codec.is_plain_int
    if schema.role is Role.HIST and is_count and slots:
        return HistogramFields(values[0], slots[-1])
    return None


def _is_slots(schema: Schema, field: Field) -> bool:
    """Return whether a field is the array of counts of libbpf-tools: ``__u32 slots[MAX_SLOTS]``.

    Those of gadgets have any name, and a typedef for slots.
    """
    _, array = skip_mods_and_typedefs(schema.btf, field.type)
    if not isinstance(array, types.Array):
        return False
    if field.path[-1] != "slots" and _SLOT_TYPES.isdisjoint(typedef_names(schema.btf, array.type)):
        return False
    _, element = skip_mods_and_typedefs(schema.btf, array.type)
    return isinstance(element, types.Int) and not element.signed


def unit_of(*names: str) -> str:
    """Return the unit in the first name that has one, else the first name itself, or ``value``."""
    for name in names:
        unit = _UNITS.get(name.rpartition("_")[2])
        if unit:
            return unit
    return "value" if names[0] in _NAMES_WITHOUT_UNIT else names[0]


class HistogramsPanel:
    """The histograms of a map: of a stream since its start, of a table as in its last snapshot.

    Those of a table that is emptied at each reading are also since the start.
    ``bounds`` are the buckets of a stream; the default are powers of two. ``sortable``: the ranks
    of labels are kept, for ``sorting``.
    """

    def __init__(
        self,
        decoder: Decoder,
        fields: HistogramFields,
        bounds: Sequence[float] = (),
        *,
        sortable: bool = False,
    ) -> None:
        schema = decoder.schema
        self._name = safe(schema.map)
        self._decoder = decoder
        self._number, self._slot = fields
        self._bounds = tuple(bounds)
        self._pending = PendingRecords(decoder, ordered=False) if schema.is_stream else None
        used = {field.name for field in fields if field}
        label_cells = {
            field: cell
            for field, cell in cells_of(decoder).items()
            if field.name not in used and field.part != CPU and not cell.time
        }
        self._labels = RowLabels(decoder, label_cells)
        number = self._number
        unit = _DURATION_UNITS.get(number.codec.unit_ns)
        self._unit = unit or safe(unit_of(number.path[-1], *number.typedefs, schema.map))
        self._snapshot = -1
        self._counts: dict[_Labels, _Histogram] = {}
        self._outside = 0  # events in no slot
        self._shown = self._counts, self._outside  # of a table: of its last complete snapshot
        self._held: _Shown | None = None
        names = [_COUNT, *[cell.name for cell in self._labels.cells]] if label_cells else []
        self._is_sortable = sortable
        self.sorting = Sorting(tuple(names), self.draw, self._hold)
        self._table = TablePanel(decoder) if self._slot else None
        self._as_table = False  # a slot is not a power of two: show rows instead
        self._time_ns = time.time_ns()

    def add(self, batch: Batch) -> bool:
        """Add a batch; return whether the panel changed."""
        self._time_ns = batch.time_ns
        if self._pending:
            self._pending.add(batch)
            if self._pending.full:
                self._fold(self._pending)
            return batch.records > 0
        if batch.snapshot != self._snapshot and not self._decoder.schema.drains:
            self._snapshot, self._counts, self._outside = batch.snapshot, {}, 0
        if batch.records:
            self._read(batch)
        if self._table:
            self._table.add(batch)
        if batch.final:
            self._shown = self._counts, self._outside
        return batch.final

    def _fold(self, pending: PendingRecords) -> None:
        """Decode the pending records of a stream."""
        for batch, counts in to_batches(self._decoder, pending.take()):
            (values,) = self._decoder.values(batch, (self._number,))
            rows = zip(self._histograms(batch), values, counts, strict=True)
            for histogram, value, count in rows:
                # NaN is in no bucket.
                if isinstance(value, int | float) and value == value:  # noqa: PLR0124 - see above
                    slot = bound_slot(self._bounds, value) if self._bounds else log2_slot(value)
                    histogram[slot] += count

    def _read(self, batch: Batch) -> None:
        """Add the entries of a table."""
        histograms = self._histograms(batch)
        (values,) = self._decoder.values(batch, (self._number,))
        if self._slot is None:
            for histogram, value in zip(histograms, values, strict=True):
                counts, outside = _slot_counts(value)
                histogram.update(counts)
                self._outside += outside
            return
        (slots,) = self._decoder.values(batch, (self._slot,))
        for histogram, slot, value in zip(histograms, slots, values, strict=True):
            assert isinstance(slot, int), "find_fields takes only plain integers"
            assert isinstance(value, int), "find_fields takes only plain integers"
            if 0 <= slot < _SLOTS:
                histogram[slot] += value
            else:
                self._outside += value
                self._as_table = self._as_table or slot >= _SLOTS

    def _histograms(self, batch: Batch) -> list[Counter[int]]:
        """Return the counts that each row of a batch belongs to."""
        texts = self._labels.texts(batch)
        ranks: Iterable[Ranks] = repeat((), len(texts))
        new = [labels not in self._counts for labels in texts]
        if self._is_sortable and any(new):
            new_ranks = iter(self._labels.ranks(select(batch, new)))
            ranks = [next(new_ranks) if is_new else () for is_new in new]
        return [self._histogram(*row) for row in zip(texts, ranks, strict=True)]

    def _histogram(self, labels: _Labels, ranks: Ranks) -> Counter[int]:
        histogram = self._counts.get(labels)
        if histogram is None:
            if len(self._counts) >= _MAX_HISTOGRAMS:
                labels, ranks = ("other",) * len(labels), ()
            histogram = self._counts.setdefault(labels, _Histogram(Counter(), ranks))
        return histogram.counts

    def _hold(self, held: bool) -> None:  # noqa: FBT001 - as Sorting has it
        self._held = None
        if held:
            histograms, outside = self._histograms_shown()
            copies = {
                labels: histogram._replace(counts=histogram.counts.copy())
                for labels, histogram in histograms.items()
            }
            self._held = copies, outside

    def _histograms_shown(self) -> _Shown:
        if self._held:
            return self._held
        if self._pending:
            self._fold(self._pending)
        return self._shown

    def lines(self, width: int | None, height: int | None) -> list[str]:
        """Return a title and the histograms that ``height`` has room for, the largest first.

        A table with slots that are not powers of two is shown as rows.
        """
        return self.draw(width, height).lines

    def draw(
        self, width: int | None, height: int | None, order: PanelOrder | None = None
    ) -> Drawing:
        """Return the same in an order, with the places of the names of labels and counts."""
        if self._table and self._as_table:
            return Drawing(self._table.lines(width, height))
        histograms, outside = self._histograms_shown()
        totals = {labels: histogram.counts.total() for labels, histogram in histograms.items()}
        total = sum(totals.values()) + outside
        lines = [f"{local_time(self._time_ns)} {self._name}: {quantity(total, 'event')}"]
        if outside:
            lines.append(f"... {outside} in none of the slots 0 to {_SLOTS - 1}")
        used = [labels for labels, count in totals.items() if count]
        column, largest_first = order or PanelOrder(0, largest_first=True)
        if column:
            used.sort(key=lambda x: histograms[x].ranks[column - 1 : column], reverse=largest_first)
        else:
            used.sort(key=lambda labels: totals[labels], reverse=largest_first)
        headings, places = [], []
        for shown, labels in enumerate(used):
            counts = histograms[labels].counts
            caption, caption_places = self._caption(labels, width)
            if shown:
                caption.insert(0, "")
            room = None
            if height is not None:
                is_last = shown + 1 == len(used)
                room = height - len(lines) - len(caption) - (0 if is_last else 1)  # ... more
                if shown and room < min_height(counts):
                    lines += more_line(len(used) - shown, "histograms")
                    break
            lines += caption
            places += [place._replace(line=len(lines) - 1) for place in caption_places]
            headings.append(len(lines))
            lines += draw(counts, self._unit, self._bounds, width, room)
            if (start := lines[headings[-1]].find(f": {_COUNT} ") + 2) > 1:
                places.append(Place(headings[-1], start, start + len(_COUNT), 0))
        return Drawing(lines, tuple(headings), tuple(places))

    def _caption(self, labels: _Labels, width: int | None) -> tuple[list[str], list[Place]]:
        """Return the line with the labels of a histogram, [] if it has none, and their places."""
        texts, places, start = [], [], 0
        for column, (cell, text) in enumerate(zip(self._labels.cells, labels, strict=True), 1):
            texts.append(f"{cell.name} = {text}")
            places.append(Place(0, start, start + len(cell.name), column))
            start += len(texts[-1]) + len(_GAP)
        line = truncate(_GAP.join(texts), width or _NO_LIMIT)
        return [line] if texts else [], [place for place in places if place.end < len(line)]


def _slot_counts(value: Value) -> tuple[Mapping[int, int], int]:
    """Return the counts of the slots in an array, and the sum of those beyond the last slot."""
    if not isinstance(value, tuple):
        return {}, 0
    counts = [count if isinstance(count, int) else 0 for count in value]
    return {slot: count for slot, count in enumerate(counts[:_SLOTS]) if count}, sum(
        counts[_SLOTS:]
    )
