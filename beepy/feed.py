"""Rows for event loops: a thread iterates a run, and a descriptor is readable when rows are ready.

::

    thread   for batch in run -> queue (bounded) -> eventfd        loop   readable -> take() -> rows
"""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from beepy import threads
from beepy.events.row import Rows

_MOST: Final = 64  # batches; then the thread waits, and the kernel's rings fill


class Feed:
    """Owns the thread and the descriptor; ``stop`` ends what it iterates.

    The descriptor is readable while the queue has something, and for good once the iteration has
    ended.
    """

    def __init__(self, batches: Iterable[Rows], stop: Callable[[], None]) -> None:
        self._batches = batches
        self._stop = stop
        self._queue: deque[Rows] = deque()
        self._error: BaseException | None = None
        self._ended = False
        self._closed = False
        self._changed = threading.Condition()
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        try:
            self._thread = threads.start(self._iterate, "beepy-feed")
        except BaseException:
            os.close(self._fd)
            raise

    def fileno(self) -> int:
        """Return the descriptor, which stays the feed's; -1 once it is closed."""
        return self._fd

    def take(self) -> list[Rows] | None:
        """Return the rows that are ready, None at the end; never block.

        Raises the error that ended the iteration, after all rows are taken.
        """
        with self._changed:
            if self._closed:
                return None
            if not self._queue and self._ended:
                self._raise()
                return None
            taken = [*self._queue]
            self._queue.clear()
            if taken and not self._ended:
                os.eventfd_read(self._fd)
            self._changed.notify_all()
        return taken

    def close(self) -> None:
        """End the iteration, wait for the thread, and release the descriptor.

        Rows that are not taken are dropped. Raises the error that ended the iteration, unless
        ``take`` has raised it.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._stop()
        self._thread.join()
        with self._changed:
            fd, self._fd = self._fd, -1
            if fd >= 0:
                os.close(fd)
            self._raise()

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error:
            raise error

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
            if self._closed:
                return
            if not self._queue:
                os.eventfd_write(self._fd, 1)
            self._queue.append(rows)
