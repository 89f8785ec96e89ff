"""A journal of what outlives a process: tracefs events, netlink attachments and the like.

An entry is added before such a thing is made, so that the next start can clean up after a killed
process. Each entry is a file in ``DIRECTORY``, which exists as long as the thing may exist. The
process that added it holds a lock on it (flock, which the kernel releases however a process ends):
an entry that can be locked is a dead process's. A reboot empties /run, and removes the things too.
"""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final

from beepy.errors import KernelError
from beepy.host import runtime
from beepy.log import Log
from beepy.sys.fd import Fd
from beepy.text import safe

_log = Log(__name__)

DIRECTORY = runtime.DIRECTORY

_MAX_SIZE: Final = 1 << 16  # bytes of an entry that are read
_NOT_TRUSTED: Final = "owned or writable by another user"


class Entry:
    """Owns one entry of the journal until it is removed or released."""

    def __init__(self, path: Path, fd: Fd | None) -> None:
        self._path = path
        self._fd = fd

    def remove(self) -> None:
        """Remove the entry: the thing is gone, or was never made. A second call does nothing."""
        if self._fd:
            self._path.unlink(missing_ok=True)
        self.release()

    def release(self) -> None:
        """Leave the entry to the next sweep."""
        if self._fd:
            self._fd.close()
            self._fd = None


def add(kind: str, *args: str) -> Entry:
    """Add an entry for a thing that is about to be made.

    ``args`` are all the arguments that the cleanup function of its ``kind`` gets. If no entry can
    be written, a warning is logged and an empty Entry returned: then a killed process leaves the
    thing.
    """
    import json  # noqa: PLC0415 - only for fallbacks, that is on old kernels

    text = json.dumps([kind, *args]).encode()
    while True:
        path = DIRECTORY / f"{os.getpid()}-{os.urandom(4).hex()}"
        try:
            DIRECTORY.mkdir(mode=0o700, exist_ok=True)
            if not runtime.is_ours(DIRECTORY.lstat()):
                return _not_written(DIRECTORY, kind, _NOT_TRUSTED)
            fd = Fd(os.open(path, runtime.OPEN_FLAGS | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            continue
        except OSError as error:
            return _not_written(path, kind, error.strerror)
        entry = Entry(path, fd)
        if not runtime.lock(fd, wait=True):
            # Another process's sweep locked the new file before us and removed it.
            entry.release()
            continue
        try:
            written = os.write(fd.fileno(), text)
        except OSError as error:
            entry.remove()
            return _not_written(path, kind, error.strerror)
        if written != len(text):
            entry.remove()
            return _not_written(path, kind, "no space left")
        return entry


def _not_written(path: Path, kind: str, why: str | None) -> Entry:
    _log.warning("journal: %s: %s: a killed beepy will leave %s behind", path, why, safe(kind))
    return Entry(path, None)


def sweep(cleanup_for: Callable[[str], Callable[..., None] | None]) -> None:
    """Clean up after dead processes; cheap if they left nothing.

    ``cleanup_for`` returns the cleanup function of a kind, None for an unknown kind. A cleanup
    function gets the entry's ``args`` and does nothing if the thing does not exist. If it raises
    KernelError, a warning is logged and the next sweep tries again.
    """
    try:
        names = sorted(os.listdir(DIRECTORY))  # noqa: PTH208 - only names are needed
        if names and not runtime.is_ours(DIRECTORY.lstat()):
            _log.warning("journal: %s: %s: its entries are ignored", DIRECTORY, _NOT_TRUSTED)
            return
    except OSError:
        return
    for name in names:
        path = DIRECTORY / name
        try:
            fd = Fd(os.open(path, runtime.OPEN_FLAGS))
        except OSError:
            continue
        with fd:
            if not runtime.is_ours(os.fstat(fd.fileno())) or not runtime.lock(fd, wait=False):
                continue
            if _clean_up(os.read(fd.fileno(), _MAX_SIZE), cleanup_for):
                path.unlink(missing_ok=True)


def _clean_up(text: bytes, cleanup_for: Callable[[str], Callable[..., None] | None]) -> bool:
    """Clean up after one entry; return whether it may be removed.

    An incomplete entry may be: its process was killed before it made the thing.
    """
    import json  # noqa: PLC0415 - only if a killed process left something

    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return True
    if not isinstance(words, list) or not words:
        return True
    if not all(isinstance(word, str) for word in words):
        return True
    kind, *args = words
    where = f"journal: {safe(kind)} {safe(' '.join(args))}"
    cleanup = cleanup_for(kind)
    if cleanup is None:
        _log.warning("%s: left by a killed process: unknown kind, not undone", where)
        return False
    try:
        cleanup(*args)
    except (TypeError, ValueError, LookupError, ArithmeticError, struct.error):
        # The number of arguments or their form is not what this version writes.
        _log.warning("%s: left by a killed process of another version of beepy: not undone", where)
        return False
    except KernelError as error:
        _log.warning("%s: left by a killed process: %s", where, error)
        return False
    _log.info("%s: left by a killed process, undone", where)
    return True
