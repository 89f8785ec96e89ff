"""Keep the maps that say who is chosen by cgroups true while cgroups and processes change.

In cgroup v2 a program asks the kernel whether a process is below a cgroup of an array. One that is
created again, under its name or another, has another id, and takes the place of the one before.

A program cannot ask in which cgroups of version 1 a process is. So their lists of processes are
read again and again; a process is chosen once it has been found there.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Collection as Values
from typing import Final

from beepy.collection.collection import Collection
from beepy.errors import KernelError
from beepy.host import cgroups
from beepy.kernel.map import Map
from beepy.log import Log
from beepy.rewrite.select import CGROUPS, MAX_MEMBERS, PIDS

_log = Log(__name__)

PERIOD_S: Final = 0.02
"""Seconds between two readings."""

_ROUNDS: Final = 12  # readings between two searches for what is gone
_YES: Final = b"\1"  # the value of every key


class GroupMembers:
    """Fills the map of pids with the processes of ``directories`` of version 1, at once.

    Of ``pids``, if there are any, others are left out. Raises KernelError.
    """

    def __init__(
        self, collections: Sequence[Collection], directories: Sequence[str], pids: Values[int]
    ) -> None:
        self._maps = _maps(collections, PIDS)
        self._directories = directories
        self._pids = frozenset(pids)
        self._known: set[int] = set()
        self._is_full = False
        self._update()

    def update(self) -> bool:
        """Bring the maps up to date; return whether that is still possible."""
        try:
            self._update()
        except KernelError as error:
            _log.warning("new processes are not found any more: %s", error)
            return False
        return True

    def _update(self) -> None:
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


class GroupSlots:
    """Puts cgroups that are created again into the array of ``directories`` of cgroup v2.

    ``find`` returns the directories that are chosen now.
    """

    def __init__(
        self,
        collections: Sequence[Collection],
        directories: Sequence[str],
        find: Callable[[], Iterable[str]],
    ) -> None:
        self._arrays = _maps(collections, CGROUPS)
        self._paths = [*directories]
        self._ids = [*map(_id, directories)]
        self._find = find
        self._rounds = 0

    def update(self) -> bool:
        """Bring the arrays up to date; return whether that is still possible."""
        try:
            self._update()
        except KernelError as error:
            _log.warning("new cgroups are not found any more: %s", error)
            return False
        return True

    def _update(self) -> None:
        gone = []
        for index, path in enumerate(self._paths):
            identity = _id(path)
            if not identity:
                gone.append(index)
            elif identity != self._ids[index]:
                self._put(index, path)
        self._rounds = self._rounds + 1 if gone else 0
        if self._rounds and self._rounds % _ROUNDS == 0:
            found = [path for path in self._find() if path not in self._paths]
            for index, path in zip(gone, found, strict=False):
                self._put(index, path)

    def _put(self, index: int, path: str) -> None:
        try:
            directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:  # it is gone again
            return
        try:
            for array in self._arrays:
                array.update(index.to_bytes(4, "little"), directory.to_bytes(4, "little"))
            self._paths[index], self._ids[index] = path, os.fstat(directory).st_ino
        finally:
            os.close(directory)
        _log.info("cgroup '%s': chosen from now on", path)


def _maps(collections: Sequence[Collection], name: str) -> list[Map]:
    return [collection.maps[name] for collection in collections if name in collection.maps]


def _id(path: str) -> int:
    """Return the id of a cgroup, 0 if it is gone."""
    try:
        return os.stat(path).st_ino  # noqa: PTH116 - a text
    except OSError:
        return 0
