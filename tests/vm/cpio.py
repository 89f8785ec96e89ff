"""An initramfs: a cpio archive in the one format that the kernel unpacks (newc)."""

import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import IO, NamedTuple


class Entry(NamedTuple):
    """A file of the archive; ``path`` is absolute, ``data`` a link's target for a link.

    The time of the last change is kept: Python's compiled files know their source by it.
    """

    path: str
    mode: int
    data: bytes = b""
    mtime: int = 0
    device: tuple[int, int] = (0, 0)


def copy(source: Path, path: str = "") -> Entry:
    """Return an entry with the file's contents, at the same place if none is given."""
    found = source.stat()
    return Entry(
        path or str(source),
        stat.S_IFREG | stat.S_IMODE(found.st_mode),
        source.read_bytes(),
        int(found.st_mtime),
    )


def text(path: str, content: str, mode: int = 0o644) -> Entry:
    """Return a file with that text."""
    return Entry(path, stat.S_IFREG | mode, content.encode())


def link(path: str, target: str) -> Entry:
    """Return a symbolic link."""
    return Entry(path, stat.S_IFLNK | 0o777, target.encode())


def folder(path: str) -> Entry:
    """Return a folder; those above a file come of themselves."""
    return Entry(path, stat.S_IFDIR | 0o755)


def write(target: IO[bytes], entries: Iterable[Entry]) -> None:
    """Write the archive; the first entry of a path counts, so links to directories come first."""
    written: set[str] = set()
    for entry in entries:
        for above in reversed(Path(entry.path).parents[:-1]):
            if str(above) not in written:
                written.add(str(above))
                _write(target, folder(str(above)), len(written))
        if entry.path not in written:
            written.add(entry.path)
            _write(target, entry, len(written))
    _write(target, Entry("/TRAILER!!!", 0), 0)


def _write(target: IO[bytes], entry: Entry, inode: int) -> None:
    name = os.fsencode(entry.path.lstrip("/")) + b"\0"
    size = len(entry.data)
    numbers = (inode, entry.mode, 0, 0, 1, entry.mtime, size, 0, 0, *entry.device, len(name), 0)
    head = (
        b"070701"
        + b"".join([struct.pack(">I", number).hex().encode() for number in numbers])
        + name
    )
    target.write(head + bytes(-len(head) % 4) + entry.data + bytes(-size % 4))
