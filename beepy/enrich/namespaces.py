"""Names of namespaces by the numbers of their inodes: the host's, and those of ip-netns(8)."""

import os
import time
from collections.abc import Callable
from typing import Final

HOST: Final = "host"
_INITIAL: Final = range(0xEFFFFFF8, 0xF0000000)  # PROC_MNT_INIT_INO and others (proc_ns.h)
_RETRY_S: Final = 1.0


class Namespaces:
    """Finds names: ``host`` has the namespaces of process 1, ``named`` those of ip-netns(8).

    Both are directories, which are read when a number is not known, once a second at most.
    """

    def __init__(
        self,
        host: str = "/proc/1/ns",
        named: str = "/run/netns",
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directories = ((named, ""), (host, HOST))
        self._now = now
        self._read_at: float | None = None
        self._names: dict[int, str] = {}

    def name(self, number: int) -> str:
        """Return the name of a namespace, "" if it has none."""
        if number in _INITIAL:
            return HOST
        is_old = self._read_at is None or self._now() - self._read_at >= _RETRY_S
        if number not in self._names and is_old:
            self._read_at = self._now()
            self._names = {
                inode: name or entry
                for directory, name in self._directories
                for entry, inode in _inodes(directory)
            }
        return self._names.get(number, "")


def _inodes(directory: str) -> list[tuple[str, int]]:
    """Return the names in a directory, each with the number of the inode that it leads to."""
    inodes = []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    inodes.append((entry.name, entry.stat().st_ino))
                except OSError:
                    continue
    except OSError:  # there is none, or it is not ours to read
        pass
    return inodes
