"""When the event of a record began and ended, by the meaning of its fields.

::

    u64 start_time, exit_time;      the beginning and the end
    u64 ts; u64 delta_ns;           the end, and how long it took
    u64 start_ts; u64 duration_us;  the beginning, and how long it took
    u64 latency_ns;                 how long it took; it ended when the record was read
"""

from collections.abc import Container, Iterable, Sequence
from typing import Final, NamedTuple

from beepy.events import meaning, rules
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.events.fields import RECORD, Field

_DURATION_TYPE: Final = "gadget_duration"
_WHOLE: Final = ("duration", "elapsed", "span", "delta", "latency", "lat")  # preferred durations


class Timed(NamedTuple):
    """A field with a time, and how many nanoseconds one count of it is."""

    field: Field
    unit: int


class Spans:
    """Reads the beginning and the end of each row, in ns of the kernel's clock.

    At least one of ``begin``, ``end`` and ``duration`` is known besides the time of reading.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        fields = [field for field in decoder.fields if field.part == RECORD]
        times = _times(fields)
        self.begin = _named(times, rules.BEGIN)
        self.end = _named(times, rules.END) or _named(times, rules.EVENT)
        durations = _durations(fields)
        self.duration = _named(durations, _WHOLE) or (durations[0] if durations else None)

    @property
    def is_known(self) -> bool:
        """Whether rows have a beginning and an end."""
        return self.duration is not None or (self.begin is not None and self.end is not None)

    def read(self, batch: Batch) -> list[tuple[int, int]]:
        """Return (beginning, end) of each row; one that lacks a time has a span of nothing."""
        read_at = self._decoder.schema.clock.monotonic(batch.time_ns)
        begins, ends, durations = (
            self._column(batch, timed) for timed in (self.begin, self.end, self.duration)
        )
        return [
            _span(begin, end, duration, read_at)
            for begin, end, duration in zip(begins, ends, durations, strict=True)
        ]

    def _column(self, batch: Batch, timed: Timed | None) -> Sequence[int | None]:
        if timed is None:
            return [None] * batch.records
        (column,) = self._decoder.values(batch, (timed.field,))
        return [value * timed.unit if isinstance(value, int) else None for value in column]


def lacks(decoder: Decoder) -> str:
    """Return why a map's rows have no span, "" if they have."""
    if not decoder.schema.is_stream:
        return "a table has no events"
    return "" if Spans(decoder).is_known else "no fields with a beginning and an end"


def _span(
    begin: int | None, end: int | None, duration: int | None, read_at: int
) -> tuple[int, int]:
    if begin and end:
        return min(begin, end), end
    if begin:
        return begin, begin + max(duration or 0, 0)
    end = end or read_at
    return max(end - max(duration or 0, 0), 0), end


def _times(fields: Sequence[Field]) -> list[Timed]:
    timed = [Timed(field, meaning.time_unit(field, fields)) for field in fields]
    return [time for time in timed if time.unit]


def _durations(fields: Sequence[Field]) -> list[Timed]:
    timed = []
    for field in fields:
        unit = field.codec.unit_ns or meaning.duration_unit(field, fields)
        if not unit and _DURATION_TYPE in field.typedefs and field.codec.number:
            unit = 1
        if unit:
            timed.append(Timed(field, unit))
    return timed


def _named(timed: Iterable[Timed], words: Container[str]) -> Timed | None:
    """Return the first whose name begins with one of the words."""
    return next((t for t in timed if t.field.path[-1].lower().partition("_")[0] in words), None)
