"""A run in at most two kilobytes of JSON: ``--summary``.

Memory is bounded whatever comes: each field has its groups (``events.groups``), and no row is kept.
Of a table only the last reading counts; its keys are ranked by their values.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from beepy.events import meaning, rules
from beepy.events.batch import Batch, Schema
from beepy.events.codec import Value
from beepy.events.decoder import Decoder
from beepy.events.endless import endless
from beepy.events.fields import VALUE, Field
from beepy.events.groups import Groups
from beepy.events.stats import RunStats
from beepy.events.tables import by_name
from beepy.outputs.jsonl import encode

Document: TypeAlias = dict[str, Any]

MAX_BYTES: Final = 2048
_MOST_GROUPS: Final = 4096  # of one field
_MOST_BYTES: Final = 2 << 20  # of them
_MAX_IMAGES: Final = 4
_RANGES: Final = (rules.TIME, rules.DURATION)  # of which no value comes again
_REALS: Final = frozenset("efd")


class _Detail(NamedTuple):
    """How much is shown: values of each field, characters of a text, fields of a map, maps."""

    values: int
    text: int
    fields: int
    maps: int


# the first that fits is taken
_DETAILS: Final = (
    _Detail(5, 64, 32, 16),
    _Detail(5, 32, 32, 16),
    _Detail(3, 32, 24, 16),
    _Detail(3, 24, 16, 8),
    _Detail(2, 24, 12, 8),
    _Detail(1, 24, 8, 8),
    _Detail(1, 16, 4, 8),
    _Detail(1, 16, 2, 4),
    _Detail(0, 16, 0, 4),
    _Detail(0, 16, 0, 0),
)


class Summary:
    """A sink that keeps what a summary says of the rows that it gets."""

    def __init__(self) -> None:
        self._maps: dict[Schema, _Map] = {}

    def open(self, decoders: Sequence[Decoder]) -> None:
        """Get ready for the rows of these maps."""
        for name, decoder in by_name(decoders).items():
            self._maps[decoder.schema] = _Map(name, decoder)

    def write(self, batch: Batch) -> None:
        """Count a batch."""
        self._maps[batch.schema].add(batch)

    def close(self) -> None:
        """Do nothing: what was counted stays."""

    def text(self, images: Sequence[str], stats: RunStats, seconds: float) -> str:
        """Return the summary as a line of JSON of at most ``MAX_BYTES``."""
        for detail in _DETAILS:
            line = encode(self._document(images, stats, seconds, detail)) + "\n"
            if len(line) <= MAX_BYTES:
                break
        return line

    def _document(
        self, images: Sequence[str], stats: RunStats, seconds: float, detail: _Detail
    ) -> Document:
        maps = list(self._maps.values())
        shown = sorted(maps, key=lambda counted: -counted.rows)[: detail.maps]
        is_cut = detail is not _DETAILS[0] or len(images) > _MAX_IMAGES or len(shown) < len(maps)
        is_cut |= any(len(counted.fields) > detail.fields for counted in shown)
        documents = {_cut(counted.name, 64): counted.document(stats, detail) for counted in shown}
        document: Document = {
            "images": tuple([_cut(name, 64) for name in images[:_MAX_IMAGES]]),
            "seconds": round(seconds, 3),
            **stats.totals(),
        }
        if stats.sampled > 1:
            document["sampled"] = stats.sampled
        if stats.cost:
            document["cost"] = {"programs": stats.cost.share, "beepy": stats.cost.own_share}
        return {**document, "cut": is_cut, "maps": documents}


class _Map:
    """What is counted of one map: its events, or the last reading of a table."""

    def __init__(self, name: str, decoder: Decoder) -> None:
        self.name = name
        self.schema = decoder.schema
        self._decoder = decoder
        self._shown = _by_use(decoder)
        self._snapshot = 0
        self._is_complete = False
        self._last: _Rows | None = None  # of the last complete reading
        self._rows = _Rows(self._shown, decoder)

    @property
    def rows(self) -> int:
        return self._counted.rows

    @property
    def fields(self) -> "Sequence[_Values]":
        return self._counted.fields

    @property
    def _counted(self) -> "_Rows":
        return self._rows if self._last is None or self._is_complete else self._last

    def add(self, batch: Batch) -> None:
        if batch.snapshot != self._snapshot and not self.schema.drains:
            if self._is_complete:
                self._last = self._rows
            self._rows = _Rows(self._shown, self._decoder)
            self._is_complete = False
        self._snapshot = batch.snapshot
        self._rows.add(batch)
        self._is_complete |= batch.final

    def document(self, stats: RunStats, detail: _Detail) -> Document:
        document: Document = {"rows": self.rows}
        if self.schema.is_stream:
            document["lost"] = stats.lost.get(self.schema)
        fields = self.fields[: detail.fields]
        return {**document, "fields": {_cut(f.name, 64): f.document(detail) for f in fields}}


class _Rows:
    """Rows of one map: all events, or one reading of a table."""

    def __init__(self, fields: Sequence[Field], decoder: Decoder) -> None:
        self.rows = 0
        self._decoder = decoder
        self._columns = [field for field in fields if not field.codec.inner]
        meanings = meaning.of(decoder.fields)
        times = [field for field, known in meanings.items() if known.name == rules.TIME]
        counts = [f for f in decoder.fields if f.part == VALUE and f.codec.number]
        self._weight = counts[0] if len(counts) == 1 and not decoder.schema.is_stream else None
        ranges = [f for f, known in meanings.items() if known.name in _RANGES]
        ranges += [field for field in fields if field.codec.unit_ns or field.codec.code in _REALS]
        self.fields = [
            _Values(
                field.name,
                number=field.codec.number,
                sums=field not in times,
                groups=field not in ranges and field != self._weight,
            )
            for field in self._columns
        ]

    def add(self, batch: Batch) -> None:
        if not batch.records:
            return
        self.rows += batch.records
        weights = None
        if self._weight:
            (column,) = self._decoder.values(batch, [self._weight])
            weights = [value if isinstance(value, int) and value > 0 else 0 for value in column]
        columns = self._decoder.values(batch, self._columns)
        for field, values in zip(self.fields, columns, strict=True):
            field.add(values, weights)


class _Values:
    """The values of one field: the most frequent ones, and of numbers the range and the sum."""

    def __init__(self, name: str, *, number: bool, sums: bool, groups: bool) -> None:
        self.name = name
        self._is_number = number
        self._sums = sums
        self._groups = Groups(_MOST_GROUPS, _MOST_BYTES) if groups else None
        self._least: float | None = None
        self._most: float | None = None
        self._sum: float = 0

    def add(self, values: Sequence[Value], weights: Sequence[int] | None) -> None:
        if self._groups is not None:
            self._groups.add(_counts(values, weights), _record)
        if not self._is_number:
            return
        numbers = [v for v in values if isinstance(v, int | float) and math.isfinite(v)]
        if numbers:
            least, most = min(numbers), max(numbers)
            self._least = least if self._least is None else min(self._least, least)
            self._most = most if self._most is None else max(self._most, most)
            self._sum += sum(numbers)

    def document(self, detail: _Detail) -> Document:
        document: Document = {}
        if self._is_number:
            document = {"min": self._least, "max": self._most}
            if self._sums:
                document["sum"] = self._sum
        if self._groups is not None:
            largest = self._groups.most_frequent(detail.values)
            top = [(_cut(value, detail.text), count) for value, count in largest]
            document |= {"values": len(self._groups), "top": tuple(top)}
            if self._groups.floor:
                document |= {"values": None, "error": self._groups.floor}
        return document


def _counts(values: Sequence[Value], weights: Sequence[int] | None) -> Iterable[tuple[Any, int]]:
    if weights is None:
        return Counter(values).items()
    counted: Counter[Value] = Counter()
    for value, weight in zip(values, weights, strict=True):
        counted[value] += weight
    return counted.items()


def _record(key: Any) -> tuple[bytes, int]:  # noqa: ANN401 - any value
    """Return as many bytes as a group takes, by which its memory is bounded."""
    return (key.encode("utf-8", "backslashreplace") if isinstance(key, str) else b""), 0


def _by_use(decoder: Decoder) -> list[Field]:
    """Return the fields that are shown, those last that have ever more values."""
    shown = decoder.shown()
    last = endless(decoder.fields)
    return sorted(shown, key=lambda field: field in last)


def _cut(value: Any, length: int) -> Any:  # noqa: ANN401 - any value
    if not isinstance(value, str) or len(value) <= length:
        return value
    return value[: length - 3] + "..."
