"""The times of rows: those in their records, else the time when their batch was read."""

import time
from typing import Final

from beepy.events import meaning
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder

WIDTH: Final = len("12:00:00")
_SECOND: Final = 1_000_000_000


class RowTimes:
    """Reads the times of rows; ``field`` is the record's field that has them, or None."""

    def __init__(self, decoder: Decoder) -> None:
        self._event_time = meaning.event_time(decoder.fields, decoder.schema.clock)
        self.field = self._event_time.field if self._event_time else None
        self._view = decoder.view([self.field] if self.field else [], lambda _: None)

    def texts(self, batch: Batch) -> list[str]:
        """Return the local time of day of each row."""
        if self._event_time is None:
            return [local_time(batch.time_ns)] * batch.records
        (values,) = self._view.columns(batch)
        walls = self._event_time.to_wall(values, batch.time_ns)
        seconds = [wall // _SECOND for wall in walls]
        texts = {second: local_time(second * _SECOND) for second in set(seconds)}
        return [texts[second] for second in seconds]

    def common(self, batch: Batch) -> str | None:
        """Return the local time of day that all rows have, as mostly, or None if they differ."""
        if self._event_time is None or not batch.records:
            return local_time(batch.time_ns)
        if self._view.absent(batch):
            return None
        (values,) = self._view.columns(batch)
        wall = self._event_time.common(min(values), max(values), batch.time_ns)
        return None if wall is None else local_time(wall)


def local_time(time_ns: int) -> str:
    """Return the local time of day of a time in ns since the epoch."""
    return time.strftime("%H:%M:%S", time.localtime(time_ns // _SECOND))
