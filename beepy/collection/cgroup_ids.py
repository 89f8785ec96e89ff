"""Keep a map of ebpf_exporter filled with the cgroups whose paths match its expressions.

Programs look there whether a cgroup is one of those that they count for. inotify watches every
directory; each event makes us read the tree again.
"""

import os
import struct
from collections.abc import Callable
from contextlib import suppress
from errno import ENOENT
from itertools import chain
from typing import Final

from beepy.collection.collection import Collection
from beepy.errors import KernelError
from beepy.events.regex import searcher
from beepy.host import cgroups
from beepy.log import Log
from beepy.obj.exporter import CgroupIds
from beepy.sys import syscall
from beepy.text import safe

_log = Log(__name__)

_VALUE: Final = struct.pack("<Q", 1)
_EVENTS: Final = 1 << 16  # bytes that are read at once


class CgroupWatch:
    """Owns the inotify descriptor; ``update`` is to be called when it is readable."""

    def __init__(self, collection: Collection, ids: CgroupIds) -> None:
        self._map = collection.maps[ids.map]
        self._is_storage = ids.storage
        self._matches: list[Callable[[str], bool]] = [searcher(regex) for regex in ids.regexps]
        self._where = f"map '{safe(ids.map)}'"
        self._known: set[int] = set()
        self._can_watch = True
        self._inotify = syscall.inotify(self._where)
        try:
            self._read_tree()
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        """Return the descriptor to poll."""
        return self._inotify.fileno()

    def update(self) -> None:
        """Bring the map up to date. Raises KernelError."""
        with suppress(BlockingIOError):
            os.read(self.fileno(), _EVENTS)  # what they say does not matter
        self._read_tree()

    def close(self) -> None:
        """Stop watching."""
        self._inotify.close()

    def _read_tree(self) -> None:
        """Add the cgroups that are new to the map, and remove those that are gone."""
        root = cgroups.root()
        if not root:
            _log.warning("%s: empty, for cgroup v2 is not mounted", self._where)
            return
        present = set()
        for path in chain((root,), cgroups.directories(root)):
            try:
                cgroup_id = os.stat(path).st_ino  # noqa: PTH116 - a text
            except OSError:  # it was removed meanwhile
                continue
            present.add(cgroup_id)
            if cgroup_id not in self._known:
                self._watch(path)  # before its children are listed: none is overlooked
                self._add(cgroup_id, path)
        for cgroup_id in self._known - present:
            if not self._is_storage:  # there the kernel removes it
                self._map.delete(struct.pack("<Q", cgroup_id))
        self._known = present

    def _watch(self, path: str) -> None:
        try:
            if self._can_watch:
                syscall.inotify_add_watch(self._inotify, path, self._where)
        except KernelError as error:
            if error.errno != ENOENT:
                self._can_watch = False
                _log.warning("cgroups that are created later are not in it: %s", error)

    def _add(self, cgroup_id: int, path: str) -> None:
        if not any(matches(path) for matches in self._matches):
            return
        if not self._is_storage:
            self._map.update(struct.pack("<Q", cgroup_id), _VALUE)
            return
        try:
            directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            return
        try:
            self._map.update(struct.pack("<I", directory), _VALUE)
        finally:
            os.close(directory)
