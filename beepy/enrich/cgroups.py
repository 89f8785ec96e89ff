"""Paths of cgroups by their ids, which are the inode numbers of their directories."""

import os
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from beepy.errors import KernelError
from beepy.host import cgroups
from beepy.log import Log
from beepy.sys import syscall
from beepy.sys.fd import Fd

_log = Log(__name__)

_FILEID_KERNFS: Final = 0xFE  # enum fid_type, v5.5
_MAX_PATHS: Final = 1 << 16


class Cgroups:
    """Finds paths by id, in the tree that is mounted.

    A path that was found is kept: the cgroup may be removed before its row is shown again.
    """

    def __init__(self) -> None:
        self._paths: dict[int, str] = {}
        self._walks = False  # the kernel opens no cgroup by its id

    def path(self, cgroup_id: int) -> str:
        """Return the path of a cgroup, "" if there is no cgroup of that id."""
        path = self._paths.get(cgroup_id)
        if path is not None:
            return path
        if len(self._paths) >= _MAX_PATHS:
            self._paths.clear()
        if not self._walks:
            try:
                path = by_id(cgroup_id)
            except (KernelError, OSError) as error:  # without CAP_DAC_READ_SEARCH, or cgroup v2
                _log.info("cgroups: their tree is read, for none is found by its id: %s", error)
                self._walks = True
        if path is None:
            self._paths.update(by_walk())
            return self._paths.setdefault(cgroup_id, "")
        if path:
            self._paths[cgroup_id] = path
        return path


def below_root(known: Cgroups) -> Callable[[int], str]:
    """Return a function from the id of a cgroup to its path from the root of cgroups on."""
    root = ""

    def path(cgroup_id: int) -> str:
        nonlocal root
        root = root or cgroups.root()
        found = known.path(cgroup_id) if root else ""
        return (found.removeprefix(root.rstrip("/")) or "/") if found else ""

    return path


def by_id(cgroup_id: int) -> str:
    """Return the path of a cgroup, "" if there is none. Raises KernelError and OSError."""
    root = cgroups.root()
    handle = struct.pack("<Q", cgroup_id % (1 << 64))
    with Fd(os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)) as mount:
        fd = syscall.open_by_handle(mount, _FILEID_KERNFS, handle, f"cgroup {cgroup_id}")
        if fd is None:
            return ""
        with fd:
            return os.readlink(f"/proc/self/fd/{fd.fileno()}")  # noqa: PTH115 - a text


def by_walk() -> dict[int, str]:
    """Return the paths of all cgroups by id, none if cgroup v2 is not mounted."""
    paths: dict[int, str] = {}
    root = cgroups.root()
    for path in (root, *cgroups.directories(root)) if root else ():
        with suppress(OSError):  # it was removed meanwhile
            paths[os.stat(path).st_ino] = path  # noqa: PTH116 - a text
    return paths
