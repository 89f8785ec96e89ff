"""The time of each row: from the record where it carries one, else when its batch was read."""

import time
from typing import Final

from beepy.events import meaning
from beepy.events.batch import Batch
from beepy.events.decoder import Decoder

WIDTH: Final = len("12:00:00")
_SECOND: Final = 1_000_000_000


class Times:
    """Reads the times of rows; ``field`` is where they come from, if the record has one."""

    def __init__(self, decoder: Decoder) -> None:
        self._event_time = meaning.event_time(decoder.fields)
        self.field = self._event_time.field if self._event_time else None
        self._view = decoder.view([self.field] if self.field else [], lambda _: None)

    def each(self, batch: Batch) -> list[str]:
        """Return the local time of day of each row."""
        if self._event_time is None:
            return [clock(batch.time_ns)] * batch.records
        (values,) = self._view.columns(batch)
        seconds = [at // _SECOND for at in self._event_time.to_wall(values, batch.time_ns)]
        texts = {second: clock(second * _SECOND) for second in set(seconds)}
        return [texts[second] for second in seconds]

    def common(self, batch: Batch) -> str | None:
        """Return the local time of day if it is that of all rows, as it mostly is; None if rows differ."""
        if self._event_time is None or not batch.records:
            return clock(batch.time_ns)
        if self._view.absent(batch):
            return None
        (values,) = self._view.columns(batch)
        common = self._event_time.common(min(values), max(values), batch.time_ns)
        return None if common is None else clock(common)


def clock(time_ns: int) -> str:
    """Return the local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(time_ns // _SECOND))
