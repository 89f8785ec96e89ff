"""A barrier for memory that is shared with the kernel."""

import threading


class Barrier:
    """Orders loads and stores, which arm64 may reorder; x86 keeps their order.

    A producer's position must be loaded before the data, and the data before our position is
    stored. The release and acquire of a lock are the only barrier in Python (100 ns, paid once per
    run of records).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def fence(self) -> None:
        """Complete all earlier loads and stores before any later ones."""
        self._lock.release()
        self._lock.acquire()
