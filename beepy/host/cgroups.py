"""The trees of cgroups as this process sees them: where they are mounted, and their directories."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from beepy.host import mounts

_MOUNTINFO: Final = Path("/proc/self/mountinfo")
_MAX_DIRECTORIES: Final = 1 << 16  # of a tree; the kernel's own bound on a host is about that
_MAX_DEPTH: Final = 64
_ROOT_ID: Final = 1  # of the root of all cgroups; an id is the number of the inode since v5.5


def root() -> str:
    """Return the mount point of the root of cgroup v2, "" if it is not mounted.

    Raises OSError.
    """
    return root_mount(_MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape"))


def root_mount(mountinfo: str) -> str:
    """Return the mount point of the root of cgroup v2, "" if there is none.

    ``mountinfo`` is the text of proc_pid_mountinfo(5).
    """
    for mount in mounts.parse(mountinfo.splitlines()):
        if mount.type == "cgroup2" and mount.root == "/":
            return mount.point
    return ""


def old_roots() -> list[str]:
    """Return the mount points of the roots of hierarchies of version 1. Raises OSError."""
    return [m.point for m in mounts.mounts() if m.type == "cgroup" and m.root == "/"]


def members(top: str) -> set[int]:
    """Return the processes in a cgroup and below it, as this PID namespace numbers them.

    A cgroup that is gone has none.
    """
    pids: set[int] = set()
    for directory in (top, *directories(top)):
        with suppress(OSError, ValueError):  # it vanished; 0 or nothing for other namespaces
            pids.update(map(int, Path(directory, "cgroup.procs").read_text("ascii").split()))
    return pids - {0}


def identify(path: str) -> tuple[int, int] | None:
    """Return how deep below the root of all cgroups a cgroup is, and its id.

    None for what is no cgroup of v2, and in a cgroup namespace, where that root is not seen.
    """
    mount_point = root()
    if not mount_point:
        return None
    try:
        top, real = os.path.realpath(mount_point), os.path.realpath(path)
        above, of = os.stat(top), os.stat(real)  # noqa: PTH116
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None
    if above.st_ino != _ROOT_ID or above.st_dev != of.st_dev:
        return None
    level = 0 if real == top else real.removeprefix(top).count("/")
    return level, of.st_ino


def directories(top: str) -> Iterator[str]:
    """Yield the paths of all cgroups below ``top``, parents first; those that vanish are skipped.

    At most 65,536 directories, 64 levels deep.
    """
    level, left = [top], _MAX_DIRECTORIES
    for _ in range(_MAX_DEPTH):
        below = []
        for directory in level:
            for name in _subdirectories(directory):
                path = f"{directory}/{name}"
                yield path
                below.append(path)
                left -= 1
                if not left:
                    return
        if not below:
            return
        level = below


def _subdirectories(directory: str) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []
