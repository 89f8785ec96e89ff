"""Threads beside the main one, which alone handles signals."""

import signal
import threading
from collections.abc import Callable


def start(run: Callable[[], None], name: str) -> threading.Thread:
    """Start a daemon thread that the kernel gives no signals.

    Otherwise a signal that comes while the main thread is stopped (SIGSTOP) goes to this one: the
    main thread sleeps on, and Python calls the handler when it wakes for something else.
    """
    thread = threading.Thread(target=run, name=name, daemon=True)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        thread.start()  # it inherits the mask
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return thread


class Repeated:
    """Calls ``do`` every ``period_s`` seconds in a thread, from ``start`` until ``close``.

    ``do`` returns whether to go on.
    """

    def __init__(self, do: Callable[[], bool], period_s: float, name: str) -> None:
        self._do = do
        self._period_s = period_s
        self._name = name
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, after a period."""
        self._thread = start(self._run, self._name)

    def close(self) -> None:
        """Stop, and wait for the thread."""
        self._stopped.set()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._period_s) and self._do():
            pass
