"""Files in /run/beepy, by which processes of beepy know of each other.

Each is locked (flock) by the process that made it, as long as that lives: the kernel releases the lock however a
process ends. A reboot empties /run.
"""

import os
from pathlib import Path
from typing import Final

from beepy.sys.fd import Fd

FOLDER: Final = Path("/run/beepy")

OPEN_FLAGS: Final = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


def is_ours(found: os.stat_result) -> bool:
    """Tell whether it is this user's, and nobody else may write it: what it says is done as root."""
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


def lock(fd: Fd, *, wait: bool) -> bool:
    """Lock a file; tell whether it is ours now and still stands in its folder. Raises OSError."""
    import fcntl  # noqa: PLC0415 - only on Unix

    try:
        fcntl.flock(fd.fileno(), fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return os.fstat(fd.fileno()).st_nlink > 0
