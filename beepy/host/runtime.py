"""Files by which processes of beepy find each other: in /run/beepy, and in memory.

The process that created a file in /run/beepy keeps it locked (flock). The kernel releases the lock
when the process ends, however it ends. A reboot empties /run.

A file in memory (memfd) is found among the descriptors of its process, and ends with it.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from beepy.sys.fd import Fd
from beepy.text import safe

DIRECTORY: Final = Path("/run/beepy")

RECORD: Final = "beepy-images"
"""Name of the file in memory that has a line ``ID IMAGE`` for each program of a process."""

_MAX_DIGITS: Final = 11  # of a program's id, a u32

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


def record_images(images: Iterable[tuple[int, str]]) -> Fd:
    """Record in memory which image each program is of, by its id; return the file.

    Others find the record as long as the caller keeps the Fd open. Raises OSError.
    """
    fd = Fd(os.memfd_create(RECORD, os.MFD_CLOEXEC))
    try:
        text = "".join([f"{program_id} {safe(image)}\n" for program_id, image in images])
        os.write(fd.fileno(), text.encode())
    except BaseException:
        fd.close()
        raise
    return fd


def recorded_images(record: bytes) -> dict[int, str]:
    """Return the image of each program from what ``record_images`` wrote.

    Lines of another form are ignored: any process may have such a file.
    """
    lines = [line.partition(b" ") for line in record.split(b"\n")]
    return {
        int(program_id): image.decode("utf-8", "replace")
        for program_id, _, image in lines
        if program_id.isdigit() and len(program_id) < _MAX_DIGITS and image
    }
