"""Wake a run's source regularly, so that what is due is shown although nothing happens."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from beepy.events.protocols import Source


@contextmanager
def ticks(source: Source, every_s: float) -> Iterator[None]:
    """Demand an empty batch every ``every_s`` seconds (0: never), in a thread."""
    ended = threading.Event()

    def demand() -> None:
        while not ended.wait(every_s):
            source.demand(())

    if not every_s:
        yield
        return
    thread = threading.Thread(target=demand, name="beepy-ticks", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
