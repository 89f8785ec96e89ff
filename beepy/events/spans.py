"""When the event of a record began and ended, by the meaning of its fields.

::

    u64 start_time, exit_time;      the beginning and the end
    u64 ts; u64 delta_ns;           the end, and how long it took
    u64 start_ts; u64 duration_us;  the beginning, and how long it took
    u64 latency_ns;                 how long it took; it ended when the record was read
"""

from collections.abc import Sequence
from typing import Final

from beepy.events import meaning
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder
from beepy.events.fields import RECORD, Field
from beepy.events.meaning import Timed

_WHOLE: Final = ("duration", "elapsed", "span", "delta", "latency", "lat")  # preferred durations


class Spans:
    """Reads the beginning and the end of each row, in ns of the kernel's clock.

    At least one of ``begin``, ``end`` and ``duration`` is known besides the time of reading.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        fields = [field for field in decoder.fields if field.part == RECORD]
        self.begin, self.end = meaning.beginning_and_end(fields)
        if not self.end and (time := meaning.event_time(fields)):
            self.end = Timed(time.field, time.unit)
        self.duration = _duration(fields)

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


def _duration(fields: Sequence[Field]) -> Timed | None:
    """Return the duration of the whole event, else the first one that a record has."""
    durations = [
        Timed(field, unit) for field in fields if (unit := meaning.duration_unit(field, fields))
    ]
    whole = (timed for timed in durations if meaning.first_word(timed.field) in _WHOLE)
    return next(whole, durations[0] if durations else None)
