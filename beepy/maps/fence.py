"""A memory barrier, for memory that is shared with the kernel."""

import threading


class Fence:
    """x86 keeps loads, and stores, in their order by itself; arm64 needs to be told.

    There a producer's position must be loaded before the data, and the data before our position is stored. A lock's
    release and acquire are the only barrier that Python has (100 ns, once a run).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def order(self) -> None:
        """Keep what stands before it in memory order before what stands behind it."""
        self._lock.release()
        self._lock.acquire()
