"""Histograms of a map, one for each set of its other values."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

from beepy.btf import types
from beepy.btf.layout import resolve
from beepy.events import go_format
from beepy.events.batch import Batch, Schema
from beepy.events.codec import Value
from beepy.events.decoder import Decoder
from beepy.events.fields import CPU, RECORD, VALUE, Field
from beepy.obj.spec import Role
from beepy.outputs.columns.cells import cells
from beepy.outputs.columns.grid import counted, more
from beepy.outputs.columns.histogram import bound_slot, draw, least_height, log2_slot
from beepy.outputs.columns.labels import Labels
from beepy.outputs.columns.tables import Table
from beepy.outputs.columns.times import clock
from beepy.outputs.pending import PendingRecords, to_batches
from beepy.text import safe
from beepy.width import truncate

_MOST: Final = 1_000  # histograms of a map
_SLOT: Final = "slot"  # the member of a key that bcc's histograms have
_SLOTS: Final = 64  # powers of two
_NO_UNIT: Final = frozenset(("le", "value", "slots", "key"))
_UNITS: Final = {
    **dict.fromkeys(("ns", "nsec", "nsecs"), "nsecs"),
    **dict.fromkeys(("us", "usec", "usecs"), "usecs"),
    **dict.fromkeys(("ms", "msec", "msecs"), "msecs"),
    **dict.fromkeys(("sec", "secs"), "secs"),
    **dict.fromkeys(("bytes", "size", "len", "length"), "bytes"),
}

_Labels: TypeAlias = tuple[str, ...]


class Shape(NamedTuple):
    """Where a map's histograms are: ``number`` is observed, or how often ``slot`` was, or it is all slots' counts."""

    number: Field
    slot: Field | None = None


def shape(schema: Schema, decoder: Decoder, value: Field | None) -> Shape | None:
    """Return how a map holds histograms, None if it does not; ``value`` is the field that a stream observes."""
    fields = decoder.fields
    if schema.is_stream:
        return Shape(value) if value and schema.role is Role.HIST else None
    values = [field for field in fields if field.part == VALUE]
    for field in values:
        if _is_slots(schema, field):
            return Shape(field)
    slots = [field for field in fields if field.part == RECORD and field.path[-1] == _SLOT and field.codec.is_plain_int]
    if schema.role is Role.HIST and len(values) == 1 and values[0].codec.is_plain_int and slots:
        return Shape(values[0], slots[-1])
    return None


def _is_slots(schema: Schema, field: Field) -> bool:
    """Say whether the field is an array of counts as libbpf's tools have it: ``__u32 slots[MAX_SLOTS]``."""
    _, array = resolve(schema.btf, field.type)
    if field.path[-1] != "slots" or not isinstance(array, types.Array):
        return False
    _, element = resolve(schema.btf, array.type)
    return isinstance(element, types.Int) and not element.signed


def unit(*names: str) -> str:
    """Return what the first name that tells a unit counts in; without one the first name itself, or ``value``."""
    for name in names:
        found = _UNITS.get(name.rpartition("_")[2])
        if found:
            return found
    return "value" if names[0] in _NO_UNIT else names[0]


class Histograms:
    """The histograms of one map: of a stream since the beginning, of a table as its last snapshot has them.

    ``bounds`` are the buckets of a stream; without them they are powers of two.
    """

    def __init__(self, schema: Schema, decoder: Decoder, where: Shape, bounds: Sequence[float] = ()) -> None:
        self._name = safe(schema.map)
        self._decoder = decoder
        self._number, self._slot = where
        self._bounds = tuple(bounds)
        self._held = PendingRecords(decoder, ordered=False) if schema.is_stream else None
        used = {field.name for field in where if field}
        others = {
            field: cell
            for field, cell in cells(decoder.fields).items()
            if field.name not in used and field.part != CPU and not cell.time
        }
        self._labels = Labels(decoder, others)
        field = self._number.path[-1]
        duration = self._number.codec.text is go_format.duration
        self._unit = "nsecs" if duration else safe(unit(field, *self._number.typedefs, schema.map))
        self._snapshot = -1
        self._counts: dict[_Labels, Counter[int]] = {}
        self._outside = 0  # counts in no slot
        self._shown = self._counts, self._outside
        self._table = Table(schema, decoder) if self._slot else None
        self._as_table = False  # the slots are no powers of two
        self._time_ns = time.time_ns()

    def add(self, batch: Batch) -> bool:
        """Take a batch; tell whether there is something new to show."""
        self._time_ns = batch.time_ns
        if self._held:
            self._held.add(batch)
            if self._held.full:
                self._fold(self._held)
            return batch.records > 0
        if batch.snapshot != self._snapshot:
            self._snapshot, self._counts, self._outside = batch.snapshot, {}, 0
        if batch.records:
            self._read(batch)
        if self._table:
            self._table.add(batch)
        if batch.final:
            self._shown = self._counts, self._outside
        return batch.final

    def _fold(self, held: PendingRecords) -> None:
        for batch, times in to_batches(self._decoder, held.take()):
            (values,) = self._decoder.values(batch, (self._number,))
            for labels, value, came in zip(self._labels.texts(batch), values, times, strict=True):
                if isinstance(value, int | float) and value == value:  # noqa: PLR0124 - NaN is in no bucket
                    slot = bound_slot(self._bounds, value) if self._bounds else log2_slot(value)
                    self._of(labels)[slot] += came

    def _read(self, batch: Batch) -> None:
        labels = self._labels.texts(batch)
        (values,) = self._decoder.values(batch, (self._number,))
        if self._slot is None:
            for one, value in zip(labels, values, strict=True):
                counts, outside = _slots(value)
                self._of(one).update(counts)
                self._outside += outside
            return
        (slots,) = self._decoder.values(batch, (self._slot,))
        for one, slot, value in zip(labels, slots, values, strict=True):
            assert isinstance(slot, int)  # both are plain
            assert isinstance(value, int)
            if 0 <= slot < _SLOTS:
                self._of(one)[slot] += value
            else:
                self._outside += value
                self._as_table = self._as_table or slot >= _SLOTS

    def _of(self, labels: _Labels) -> Counter[int]:
        counts = self._counts.get(labels)
        if counts is None:
            if len(self._counts) >= _MOST:
                labels = ("other",) * len(labels)
            counts = self._counts.setdefault(labels, Counter())
        return counts

    def lines(self, width: int | None, height: int | None) -> list[str]:
        """Return a title and as many histograms as ``height`` has room for, those with the most events first.

        A table whose slots are no powers of two is shown as one.
        """
        if self._table and self._as_table:
            return self._table.lines(width, height)
        if self._held:
            self._fold(self._held)
        histograms, outside = self._shown
        totals = {labels: counts.total() for labels, counts in histograms.items()}
        used = sorted([labels for labels, total in totals.items() if total], key=lambda labels: -totals[labels])
        lines = [f"{clock(self._time_ns)} {self._name}: {counted(sum(totals.values()) + outside, 'event')}"]
        if outside:
            lines.append(f"... {outside} in none of the slots 0 to {_SLOTS - 1}")
        for shown, labels in enumerate(used):
            counts = histograms[labels]
            names = [f"{cell.name} = {text}" for cell, text in zip(self._labels.cells, labels, strict=True)]
            above = [*([""] if shown else []), *([truncate(", ".join(names), width or 1 << 20)] if names else [])]
            room = None
            if height is not None:
                room = height - len(lines) - len(above) - (1 if shown + 1 < len(used) else 0)
                if shown and room < least_height(counts):
                    return [*lines, *more(len(used) - shown, "histograms")]
            lines += [*above, *draw(counts, self._unit, self._bounds, width, room)]
        return lines


def _slots(value: Value) -> tuple[Mapping[int, int], int]:
    """Return the counts of the slots in an array, and what is counted beyond them."""
    counts = [count if isinstance(count, int) else 0 for count in value] if isinstance(value, tuple) else []
    return {slot: count for slot, count in enumerate(counts[:_SLOTS]) if count}, sum(counts[_SLOTS:])
