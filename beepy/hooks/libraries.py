"""Where ld.so looks for libraries: LD_LIBRARY_PATH, /etc/ld.so.conf and what that includes, the usual folders."""

import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import islice
from typing import Final

from beepy.hooks import files

_USUAL: Final = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")
_MAX_FILES: Final = 256  # of configuration; Debian has four
_MAX_ENTRIES: Final = 1 << 12  # of a folder of them
_MAX_SIZE: Final = 1 << 16  # bytes of each that are read


def folders(root: str) -> Iterator[str]:
    """Yield the folders, as a process sees them whose files are below ``root`` ("": ours); some come twice."""
    if not root:
        yield from filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":"))
    yield from _configured(root, "/etc/ld.so.conf", set())
    debian = f"{os.uname().machine}-linux-gnu"
    yield from (f"/lib/{debian}", f"/usr/lib/{debian}", *_USUAL)


def _configured(root: str, path: str, read: set[str]) -> Iterator[str]:
    """Yield the folders of a file and of those that it includes; ``read`` are the files that were read."""
    if path in read or len(read) == _MAX_FILES:
        return
    read.add(path)
    for line in _lines(files.inside(root, path)):
        words = line.partition("#")[0].split()
        if words[:1] == ["include"]:
            for pattern in words[1:]:
                for found in _fitting(root, os.path.join(os.path.dirname(path), pattern)):  # noqa: PTH118, PTH120
                    yield from _configured(root, found, read)
        elif words and words[0].startswith("/"):
            yield words[0].rstrip("/")


def _lines(path: str) -> list[str]:
    try:
        with files.opened(path) as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                lines = file.read(_MAX_SIZE).decode("utf-8", "surrogateescape").splitlines()
                return [line for line in lines if "\0" not in line]  # no path has one
    except OSError:
        pass
    return []


def _fitting(root: str, pattern: str) -> list[str]:
    """Return the files whose name fits; ``*`` and ``?`` in names of folders are not followed."""
    folder, _, name = pattern.rpartition("/")
    try:
        with os.scandir(files.inside(root, folder)) as entries:
            names = [entry.name for entry in islice(entries, _MAX_ENTRIES)]
    except OSError:
        return []
    return sorted([f"{folder}/{one}" for one in names if fnmatchcase(one, name)])
