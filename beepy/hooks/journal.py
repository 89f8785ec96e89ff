"""What outlives a process (tracefs events, netlink attachments): noted before it is made, undone after a killed one.

One file an entry, in ``FOLDER``, as long as the thing may exist. Its maker holds it locked (flock, which the kernel
releases however a process ends): a file that can be locked is what a dead process left. A reboot empties /run, and
undoes the things themselves.
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

FOLDER = runtime.DIRECTORY

_LIMIT: Final = 1 << 16  # bytes that are read of an entry


class Entry:
    """Owns one noted thing, until it is gone (``done``) or given up (``leave``)."""

    def __init__(self, path: Path, fd: Fd | None) -> None:
        self._path = path
        self._fd = fd

    def done(self) -> None:
        """Strike it out: it is gone, or was never made. Nothing happens the second time."""
        if self._fd:
            self._path.unlink(missing_ok=True)
        self.leave()

    def leave(self) -> None:
        """Leave it to the next sweep."""
        if self._fd:
            self._fd.close()
            self._fd = None


def note(kind: str, *what: str) -> Entry:
    """Note that a thing is about to be made; ``what`` is all that its undo function of that ``kind`` is given.

    Where nothing can be written it warns and goes on: then only a killed process leaves the thing behind.
    """
    import json  # noqa: PLC0415 - only where an old way of attaching is taken

    text = json.dumps([kind, *what]).encode()
    while True:
        path = FOLDER / f"{os.getpid()}-{os.urandom(4).hex()}"
        try:
            FOLDER.mkdir(mode=0o700, exist_ok=True)
            if not runtime.is_ours(FOLDER.lstat()):
                return _unwritten(FOLDER, kind, "not only ours to write")
            fd = Fd(os.open(path, runtime.OPEN_FLAGS | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            continue
        except OSError as error:
            return _unwritten(path, kind, error.strerror)
        entry = Entry(path, fd)
        if not runtime.lock(fd, wait=True):
            entry.leave()  # a sweep was faster, and took it for a dead one's
            continue
        try:
            written = os.write(fd.fileno(), text)
        except OSError as error:
            entry.done()
            return _unwritten(path, kind, error.strerror)
        if written != len(text):
            entry.done()
            return _unwritten(path, kind, "no room")
        return entry


def _unwritten(path: Path, kind: str, why: str | None) -> Entry:
    _log.warning("journal: %s: %s: a killed beepy will leave %s behind", path, why, safe(kind))
    return Entry(path, None)


def sweep(undo_of: Callable[[str], Callable[..., None] | None]) -> None:
    """Undo what dead processes left, by the function that ``undo_of`` gives for its kind; cheap where there is nothing.

    An undo function takes ``what`` was noted, does nothing where the thing is not there, and may raise KernelError:
    that is a warning, and tried again by the next sweep.
    """
    try:
        names = sorted(os.listdir(FOLDER))  # noqa: PTH208 - names alone
        if names and not runtime.is_ours(FOLDER.lstat()):
            _log.warning("journal: %s: not only ours to write: what stands there is not undone", FOLDER)
            return
    except OSError:
        return
    for name in names:
        path = FOLDER / name
        try:
            fd = Fd(os.open(path, runtime.OPEN_FLAGS))
        except OSError:
            continue
        with fd:
            ours = runtime.is_ours(os.fstat(fd.fileno()))
            if ours and runtime.lock(fd, wait=False) and _undone(os.read(fd.fileno(), _LIMIT), undo_of):
                path.unlink(missing_ok=True)


def _undone(text: bytes, undo_of: Callable[[str], Callable[..., None] | None]) -> bool:
    """Tell whether nothing is left of an entry; one that was not written to its end was noted for nothing."""
    import json  # noqa: PLC0415 - only where a killed process left something

    try:
        noted = json.loads(text)
    except (ValueError, RecursionError):
        return True
    if not isinstance(noted, list) or not noted or not all(isinstance(word, str) for word in noted):
        return True
    kind, *what = noted
    where = f"journal: {safe(str(kind))} {safe(' '.join(map(str, what)))}"
    undo = undo_of(kind)
    if undo is None:
        _log.warning("%s: left by a killed process, and not of a kind that this beepy undoes", where)
        return False
    try:
        undo(*what)
    except (TypeError, ValueError, LookupError, ArithmeticError, struct.error):  # too few or many words, odd ones
        return _unknown(where)
    except KernelError as error:
        _log.warning("%s: left by a killed process: %s", where, error)
        return False
    _log.info("%s: left by a killed process, undone", where)
    return True


def _unknown(where: str) -> bool:
    _log.warning("%s: left by a killed process of another version of beepy: not undone", where)
    return False
