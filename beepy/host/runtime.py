"""Files in /run/beepy, by which processes of beepy find each other.

The process that created a file keeps it locked (flock). The kernel releases the lock when the
process ends, however it ends. A reboot empties /run.
"""

import os
from pathlib import Path
from typing import Final

from beepy.sys.fd import Fd

DIRECTORY: Final = Path("/run/beepy")

OPEN_FLAGS: Final = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)


def is_ours(status: os.stat_result) -> bool:
    """Return whether this user owns a file and nobody else may write it.

    Only such a file is trusted: its contents decide what is done as root.
    """
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def lock(fd: Fd, *, wait: bool) -> bool:
    """Lock a file; return whether it is locked by us and still has a name. Raises OSError."""
    import fcntl  # noqa: PLC0415 - only on Unix

    try:
        fcntl.flock(fd.fileno(), fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    # its previous owner may have removed it before the lock was ours
    return os.fstat(fd.fileno()).st_nlink > 0
