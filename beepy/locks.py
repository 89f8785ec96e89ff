"""Locks between processes (flock): a long wait is reported and has a limit."""

import os
import time
from typing import Final

from beepy.log import Log
from beepy.text import safe

_log = Log(__name__)

PATIENCE_S: Final = 60.0
_WARN_AFTER_S: Final = 1.0
_PAUSE_S: Final = 0.02


def wait(fd: int, where: str, *, shared: bool = False) -> str:
    """Lock an open file or directory; return "", or the holder if the wait timed out.

    The lock is exclusive unless it is ``shared``. The wait ends after ``PATIENCE_S`` seconds. After
    one second a warning names the holder.
    """
    import fcntl  # noqa: PLC0415 - only on Unix

    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    start, has_warned = time.monotonic(), False
    while True:
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - start
        else:
            return ""
        if waited > PATIENCE_S:
            return _holder(fd)
        if waited > _WARN_AFTER_S and not has_warned:
            has_warned = True
            _log.warning("%s: waiting for %s, which has locked it", where, _holder(fd))
        time.sleep(_PAUSE_S)


def _holder(fd: int) -> str:
    """Return the pid and name of the process that holds the lock, or "another process" if unknown.

    A line of /proc/locks is ``1: FLOCK  ADVISORY  WRITE 123 08:01:4567 0 EOF``, for a process that
    waits ``1: -> FLOCK ...``. Some file systems (btrfs) show another device there than stat does,
    so a lock of the same inode on another device is taken if the file's own device has none.
    """
    status = os.fstat(fd)
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    pids = {}  # by device
    try:
        with open("/proc/locks", encoding="ascii") as locks:  # noqa: PTH123 - pathlib is heavier
            for words in map(str.split, locks):
                lock_device, _, inode = words[-3].rpartition(":")
                if words[1] == "FLOCK" and inode == str(status.st_ino):
                    pids[lock_device] = words[4]
        pid = pids.get(device) or next(iter(pids.values()))
        with open(f"/proc/{int(pid)}/comm", encoding="utf-8", errors="surrogateescape") as comm:  # noqa: PTH123
            return f"pid {pid} ({safe(comm.read().rstrip())})"
    except (OSError, LookupError, ValueError, StopIteration):
        return "another process"
