"""Locks between processes (flock): waiting for one is told, and ends."""

import os
import time
from typing import Final

from beepy.log import Log
from beepy.text import safe

_log = Log(__name__)

PATIENCE_S: Final = 60.0
_TOLD_AFTER_S: Final = 1.0
_PAUSE_S: Final = 0.02


def wait(fd: int, where: str) -> str:
    """Lock an open file or directory for this process alone: return "", or after a minute who holds the lock.

    After a second of waiting a warning names the holder.
    """
    import fcntl  # noqa: PLC0415 - only on Unix

    start, is_told = time.monotonic(), False
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - start
        else:
            return ""
        if waited > PATIENCE_S:
            return _holder(fd)
        if waited > _TOLD_AFTER_S and not is_told:
            is_told = True
            _log.warning("%s: waiting for %s, which has locked it", where, _holder(fd))
        time.sleep(_PAUSE_S)


def _holder(fd: int) -> str:
    """Return the process that holds a lock of the file, as far as the kernel shows it.

    A line of /proc/locks is ``1: FLOCK  ADVISORY  WRITE 123 08:01:4567 0 EOF``; of who waits, ``1: -> FLOCK ...``. Some
    file systems (btrfs) show another device than stat does.
    """
    status = os.fstat(fd)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    found = {}
    try:
        with open("/proc/locks", encoding="ascii") as locks:  # noqa: PTH123 - pathlib is heavier
            for words in map(str.split, locks):
                where, _, inode = words[-3].rpartition(":")
                if words[1] == "FLOCK" and inode == str(status.st_ino):
                    found[where] = words[4]
        pid = found.get(device) or next(iter(found.values()))
        with open(f"/proc/{int(pid)}/comm", encoding="utf-8", errors="surrogateescape") as comm:  # noqa: PTH123
            return f"pid {pid} ({safe(comm.read().rstrip())})"
    except (OSError, LookupError, ValueError, StopIteration):
        return "another process"
