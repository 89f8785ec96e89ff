"""Keep the map of chosen processes filled with those in cgroups of version 1.

A program cannot ask in which of these a process is. So a thread reads their lists again and again;
a process is chosen once it has been found there.
"""

import threading
from collections.abc import Collection as Values
from collections.abc import Sequence
from typing import Final, Self

from beepy import threads
from beepy.collection.collection import Collection
from beepy.errors import KernelError
from beepy.host import cgroups
from beepy.kernel.map import Map
from beepy.log import Log
from beepy.rewrite.select import MAX_MEMBERS, PIDS

_log = Log(__name__)

PERIOD_S: Final = 0.02
_YES: Final = b"\1"  # the value of every key


class GroupMembers:
    """Fills the maps at once, and from ``start`` on regularly, until ``close``; a context manager.

    Of ``pids``, if there are any, others are left out. Raises KernelError.
    """

    def __init__(
        self, collections: Sequence[Collection], directories: Sequence[str], pids: Values[int]
    ) -> None:
        every_map = [collection.maps for collection in collections]
        self._maps: list[Map] = [maps[PIDS] for maps in every_map if PIDS in maps]
        self._directories = directories
        self._pids = frozenset(pids)
        self._known: set[int] = set()
        self._is_full = False
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._update()

    def start(self) -> None:
        """Begin to look for changes."""
        self._thread = threads.start(self._run, "members")

    def close(self) -> None:
        """Stop, and wait for the thread."""
        self._stopped.set()
        if self._thread:
            self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopped.wait(PERIOD_S):
                self._update()
        except KernelError as error:
            _log.warning("new processes are not found any more: %s", error)

    def _update(self) -> None:
        """Bring the maps up to date. Raises KernelError."""
        present = set().union(*map(cgroups.members, self._directories))
        if self._pids:
            present &= self._pids
        if len(present) > MAX_MEMBERS:
            if not self._is_full:
                self._is_full = True
                _log.warning("%d processes: %d of them are chosen", len(present), MAX_MEMBERS)
            present = {*sorted(present)[:MAX_MEMBERS]}
        for pid in self._known - present:
            for pids in self._maps:
                pids.delete(pid.to_bytes(4, "little"))
        for pid in present - self._known:
            for pids in self._maps:
                pids.update(pid.to_bytes(4, "little"), _YES)
        self._known = present

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
