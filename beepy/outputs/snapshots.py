"""Tables, read when a scrape asks: demand a reading, wait for its last batch."""

import threading
import time
from typing import Final

from beepy.errors import OutputError
from beepy.events.batch import Batch, Demand, Schema

SNAPSHOT_TIME: Final = 5.0  # seconds that a scrape waits for its tables


class _Reading:
    """The reading of one table that is under way, and the last complete one while somebody waits."""

    def __init__(self) -> None:
        self.number = 0
        self.began = 0  # ns of the monotonic clock
        self.batches: list[Batch] | None = None  # None: nobody wanted this reading when it began
        self.complete: list[Batch] | None = None
        self.complete_began = 0

    def add(self, batch: Batch, *, wanted: bool) -> bool:
        """Take a batch; tell whether it completes a reading that was wanted."""
        if batch.snapshot != self.number:
            self.number, self.began = batch.snapshot, batch.began
            self.batches = [] if wanted else None
        if self.batches is None:
            return False
        self.batches.append(batch)
        if not batch.final:
            return False
        self.complete, self.complete_began = self.batches, self.began
        self.batches = None
        return True


class Snapshots:
    """Readings of ``schemas`` that began after they were asked for; scrapes that wait at once share one reading.

    ``write`` is called by the stream's thread, ``read`` by any.
    """

    def __init__(self, schemas: tuple[Schema, ...], demand: Demand) -> None:
        self._schemas = schemas
        self._demand = demand
        self._readings = {schema: _Reading() for schema in schemas}
        self._changed = threading.Condition()
        self._waiting = 0
        self._closed = False

    def write(self, batch: Batch) -> None:
        """Take a batch of a table; its bytes are kept only while a scrape waits for them."""
        with self._changed:
            if self._readings[batch.schema].add(batch, wanted=self._waiting > 0):
                self._changed.notify_all()

    def read(self) -> dict[Schema, list[Batch]]:
        """Return the batches of one reading a table.

        Raises OutputError after ``SNAPSHOT_TIME``, and at once when closed.
        """
        if not self._schemas:
            return {}
        asked = time.monotonic_ns()
        with self._changed:
            self._waiting += 1
        try:
            if not self._closed:
                self._demand(self._schemas)
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._ready(asked), SNAPSHOT_TIME)
                if self._closed:
                    raise OutputError("prometheus: the run ends")
                if not self._ready(asked):
                    raise OutputError(f"prometheus: tables: not read within {SNAPSHOT_TIME:g} s")
                return {schema: reading.complete or [] for schema, reading in self._readings.items()}
        finally:
            with self._changed:
                self._waiting -= 1
                if not self._waiting:
                    for reading in self._readings.values():
                        reading.complete = None

    def _ready(self, asked: int) -> bool:
        return all(
            reading.complete is not None and reading.complete_began >= asked for reading in self._readings.values()
        )

    def close(self) -> None:
        """Turn away everybody who waits or will ask."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
