"""Rows for event loops: a thread iterates a run, and a descriptor says when there is something to take.

::

    thread   for batch in run -> queue (bounded) -> eventfd        loop   readable -> take() -> rows
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from beepy.events.row import Rows

_MOST: Final = 64  # batches; then the thread waits, and the kernel's rings fill


class Feed:
    """Owns the thread and the descriptor; ``stop`` ends what it iterates."""

    def __init__(self, batches: Iterable[Rows], stop: Callable[[], None]) -> None:
        self._batches = batches
        self._stop = stop
        self._queue: deque[Rows] = deque()
        self._error: BaseException | None = None
        self._ended = False
        self._closed = False
        self._changed = threading.Condition()
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._thread = threading.Thread(target=self._iterate, name="beepy-feed", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """Return the descriptor that is readable while ``take`` has something, and at the end; it stays the feed's."""
        return self._fd

    def take(self) -> list[Rows] | None:
        """Return what has come, None at the end; never blocks. Raises what ended the iteration, once all is taken."""
        with self._changed:
            if not self._queue and self._ended:
                error, self._error = self._error, None
                if error:
                    raise error
                return None
            taken = [*self._queue]
            self._queue.clear()
            if taken and not self._ended:
                os.eventfd_read(self._fd)
            self._changed.notify_all()
        return taken

    def close(self) -> None:
        """End the iteration, wait for the thread, and release the descriptor; what is not taken is dropped."""
        if self._closed:
            return
        self._closed = True
        self._stop()
        with self._changed:
            self._changed.notify_all()
        self._thread.join()
        os.close(self._fd)

    def _iterate(self) -> None:
        try:
            for rows in self._batches:
                self._put(rows)
        except BaseException as error:  # noqa: BLE001 - raised in the thread that takes
            self._error = error
        with self._changed:
            self._ended = True
            if not self._queue:
                os.eventfd_write(self._fd, 1)

    def _put(self, rows: Rows) -> None:
        with self._changed:
            while len(self._queue) >= _MOST and not self._closed:
                self._changed.wait()
            if not self._queue:
                os.eventfd_write(self._fd, 1)
            self._queue.append(rows)
