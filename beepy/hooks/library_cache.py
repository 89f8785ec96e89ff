"""Read /etc/ld.so.cache, where ld.so finds libraries by name: glibc's format 1.1 (2.2, 2000).

::

    magic, version | libraries, bytes of strings | flags, extensions | 0
    20             | u32 u32                     | u32 u32           | 3 u32     48 bytes
    flags, name, path, OS version                | hwcap
    4 u32                                        | u64                          24 a library
    strings: name and path are offsets from the magic

Until glibc 2.32 a cache of an older format precedes it. A container's file may hold anything.
"""

import os
import stat
import struct
from collections.abc import Iterator
from typing import Final

from beepy.hooks import files

PATH: Final = "/etc/ld.so.cache"

_MAGIC: Final = b"glibc-ld.so.cache1.1"
_OLD_MAGIC: Final = b"ld.so-1.7.0\0"
_COUNT: Final = struct.Struct("=I")
_HEADER: Final = 48
_OLD_HEADER: Final = 16
_OLD_LIBRARY: Final = 12
_LIBRARY: Final = struct.Struct("=4IQ")
_MAX_SIZE: Final = 16 << 20  # bytes; one of 10,000 libraries has 1 MiB
_MAX_FOUND: Final = 64  # libraries of one name
_MAX_PATH: Final = 4096  # PATH_MAX


def paths(root: str, name: str) -> Iterator[str]:
    """Yield the paths of a library, the newest version first.

    ``name`` is in the cache as it is, or without its version, or without ``.so`` and version:
    ``libc.so.6``, ``libc.so``, ``libc``. Paths are as a process sees them that has the root
    directory ``root`` ("": ours).
    """
    data = _read(files.resolve_in(root, PATH))
    start = _start(data)
    if start is None:
        return
    data = data[start:]
    (libraries,) = _COUNT.unpack_from(data, len(_MAGIC))
    end = _HEADER + libraries * _LIBRARY.size
    if end > len(data):
        return
    wanted = os.fsencode(name if ".so" in name else f"{name}.so")
    # a version follows, unless it is given
    last = b"\0." if wanted.endswith(b".so") else b"\0"
    count = 0
    # libraries are in the descending order of their names
    for _, name_at, path_at, _, hwcap in _LIBRARY.iter_unpack(data[_HEADER:end]):
        # one with a hwcap is for some processors only, and stands beside one for all of them
        if hwcap or not data.startswith(wanted, name_at):
            continue
        next_byte = data[name_at + len(wanted) : name_at + len(wanted) + 1]
        path_end = data.find(b"\0", path_at, path_at + _MAX_PATH)
        if next_byte and next_byte in last and path_end > path_at and data[path_at] == ord("/"):
            yield os.fsdecode(data[path_at:path_end])
            count += 1
            if count == _MAX_FOUND:
                return


def _start(data: bytes) -> int | None:
    """Return the offset of the cache's magic, None if there is none."""
    start = 0
    if data.startswith(_OLD_MAGIC) and len(data) >= _OLD_HEADER:
        (count,) = _COUNT.unpack_from(data, len(_OLD_MAGIC))
        start = _OLD_HEADER + count * _OLD_LIBRARY
        start += -start % 8
    is_whole = data.startswith(_MAGIC, start) and len(data) - start >= _HEADER
    return start if is_whole else None


def _read(path: str) -> bytes:
    """Return the contents of a regular file, b"" if it is too large or cannot be read."""
    try:
        with files.open_nonblocking(path) as file:
            status = os.fstat(file.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size <= _MAX_SIZE:
                return file.read(_MAX_SIZE)
    except OSError:
        pass
    return b""
