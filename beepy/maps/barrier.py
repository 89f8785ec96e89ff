"""A memory barrier for memory that is shared with the kernel."""

import threading


class Barrier:
    """x86 keeps loads, and stores, in their order by itself; arm64 reorders them.

    There a producer's position must be loaded before the data, and the data before our position is stored. A lock's
    release and acquire are the only barrier that Python has (100 ns, once a run).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def fence(self) -> None:
        """Complete the loads and stores before the call before any after it."""
        self._lock.release()
        self._lock.acquire()
