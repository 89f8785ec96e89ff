"""Allow one reader per map: a second one would take records, or slots of a perf array, from it.

While a pinned map is read, there is a locked file in ``DIRECTORY`` with the reader's process id.
Its name is the map's id, which is the same for all pins of the map and all processes of the
machine.
"""

import errno
import os
from pathlib import Path
from typing import Final

from beepy.errors import KernelError
from beepy.host import runtime
from beepy.kernel.map import Map
from beepy.log import Log
from beepy.sys.fd import Fd
from beepy.text import safe

_log = Log(__name__)

DIRECTORY = runtime.DIRECTORY / "readers"

_PID_SIZE: Final = 20  # bytes to read from a file


class Claim:
    """Owns the right to read ``map_`` until ``close``.

    Raises KernelError: EBUSY if this or another process reads the map. If no file can be locked, it
    only warns that another reader would not be detected.
    """

    def __init__(self, map_: Map) -> None:
        self._map = map_
        self._held = False
        self._path = Path()
        self._fd: Fd | None = None
        where = f"map '{safe(map_.name)}'"
        if map_.claimed:
            raise _busy_error(where, str(os.getpid()))
        if map_.pinned:
            where = f"{where}: pinned at {safe(map_.pinned)}"
            self._path = DIRECTORY / str(map_.info().id)
            try:
                self._take(where)
            except KernelError:
                raise
            except OSError as error:
                _log.warning(
                    "%s: another reader would not be detected: %s: %s",
                    where,
                    self._path,
                    error.strerror,
                )
        map_.claimed = self._held = True

    def _take(self, where: str) -> None:
        for directory in (DIRECTORY.parent, DIRECTORY):
            directory.mkdir(mode=0o700, exist_ok=True)
            if not runtime.is_ours(directory.lstat()):
                raise PermissionError(errno.EPERM, "owned or writable by others")
        while self._fd is None:
            fd = Fd(os.open(self._path, runtime.OPEN_FLAGS | os.O_CREAT, 0o600))
            if runtime.lock(fd, wait=False):
                self._fd = fd
                os.ftruncate(fd.fileno(), 0)  # a killed process may have left its pid
                os.write(fd.fileno(), str(os.getpid()).encode())
                return
            with fd:
                pid = os.pread(fd.fileno(), _PID_SIZE, 0).decode("ascii", "replace")
                removed = os.fstat(fd.fileno()).st_nlink == 0
            # else its reader has just ended: create the file again
            if not removed:
                raise _busy_error(where, pid)

    def close(self) -> None:
        """Release the right to read the map."""
        if self._held:
            self._map.claimed = self._held = False
        if self._fd:
            self._path.unlink(missing_ok=True)
            self._fd.close()
            self._fd = None


def _busy_error(where: str, pid: str) -> KernelError:
    if not pid.isdecimal():  # the other process has locked the file, but not written to it yet
        return KernelError(f"{where}: is being read by another process", errno.EBUSY)
    error = KernelError(f"{where}: is being read by pid {pid}", errno.EBUSY)
    if int(pid) != os.getpid():
        error.add_note(f"kill -INT {pid} ends it")
    return error
