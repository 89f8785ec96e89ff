"""Where ld.so finds libraries: LD_LIBRARY_PATH, /etc/ld.so.conf, default directories, a cache."""

import os
import re
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from itertools import islice
from typing import Final

from beepy.hooks import files, library_cache

_DEFAULTS: Final = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")
_MAX_FILES: Final = 256  # configuration files; Debian has four
_MAX_ENTRIES: Final = 1 << 12  # of a directory of them
_MAX_LIBRARIES: Final = 1 << 16  # names in a directory of libraries
_MAX_SIZE: Final = 1 << 16  # bytes of each that are read


def directories(root: str) -> Iterator[str]:
    """Yield the directories in order, some of them twice.

    They are paths as a process sees them that has the root directory ``root`` ("": ours).
    """
    if not root:
        yield from filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":"))
    yield from _configured(root, "/etc/ld.so.conf", set())
    multiarch = f"{os.uname().machine}-linux-gnu"  # Debian's directories
    yield from (f"/lib/{multiarch}", f"/usr/lib/{multiarch}", *_DEFAULTS)


def versions(root: str, name: str) -> Iterator[str]:
    """Yield the paths of a library by its name without version (``libc``, ``libc.so``).

    They are those of ld.so.cache, then those in the directories, the newest version first. A name
    with a version is looked up in the cache only.
    """
    yield from library_cache.paths(root, name)
    stem = name.removesuffix(".so")
    if ".so" not in stem:
        pattern = re.compile(rf"{re.escape(stem)}\.so((?:\.[0-9]+)*)")
        for directory in dict.fromkeys(directories(root)):
            names = _names(root, directory, _MAX_LIBRARIES)
            matches = [match for match in map(pattern.fullmatch, names) if match]
            matches.sort(key=_version, reverse=True)
            yield from [f"{directory}/{match[0]}" for match in matches]


def _version(match: re.Match[str]) -> list[int]:
    return [int(number) for number in match[1].split(".")[1:]]


def _configured(root: str, path: str, files_read: set[str]) -> Iterator[str]:
    """Yield the directories of a configuration file and of those that it includes."""
    if path in files_read or len(files_read) == _MAX_FILES:
        return
    files_read.add(path)
    for line in _config_lines(files.resolve_in(root, path)):
        words = line.partition("#")[0].split()
        if words[:1] == ["include"]:
            for word in words[1:]:
                pattern = os.path.join(os.path.dirname(path), word)  # noqa: PTH118, PTH120
                for included in _matching(root, pattern):
                    yield from _configured(root, included, files_read)
        elif words and words[0].startswith("/"):
            yield words[0].rstrip("/")


def _config_lines(path: str) -> list[str]:
    """Return the lines of a regular file such as ld.so.conf, [] if it cannot be read."""
    try:
        with files.open_nonblocking(path) as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                text = file.read(_MAX_SIZE).decode("utf-8", "surrogateescape")
                return [line for line in text.splitlines() if "\0" not in line]  # not a path
    except OSError:
        pass
    return []


def _matching(root: str, pattern: str) -> list[str]:
    """Return the files whose name matches; directories with ``*`` and ``?`` are not supported."""
    directory, _, name_pattern = pattern.rpartition("/")
    names = _names(root, directory, _MAX_ENTRIES)
    return sorted([f"{directory}/{name}" for name in names if fnmatchcase(name, name_pattern)])


def _names(root: str, directory: str, limit: int) -> list[str]:
    """Return the names in a directory, at most ``limit``, [] if it cannot be read."""
    try:
        with os.scandir(files.resolve_in(root, directory)) as entries:
            return [entry.name for entry in islice(entries, limit)]
    except OSError:
        return []
