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
