"""Wake a run's source regularly: to show what is due though nothing happens, to read tables."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from beepy import threads
from beepy.events.batch import Schema
from beepy.events.protocols import Source


@contextmanager
def ticks(source: Source, every_s: float, tables: tuple[Schema, ...] = ()) -> Iterator[None]:
    """Demand snapshots every ``every_s`` seconds (0: never), in a thread.

    Without ``tables`` an empty batch is demanded.
    """
    ended = threading.Event()

    def demand() -> None:
        while not ended.wait(min(every_s, threading.TIMEOUT_MAX)):
            source.demand(tables)

    if not every_s:
        yield
        return
    thread = threads.start(demand, "beepy-ticks")
    try:
        yield
    finally:
        ended.set()
        thread.join()
