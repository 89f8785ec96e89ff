"""The mounts of this process, from proc_pid_mountinfo(5)."""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

_PATH: Final = "/proc/self/mountinfo"
_ESCAPE: Final = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """A mount: ``root`` is what of the file system is seen at ``point``.

    ``device`` is MAJOR:MINOR, as of files in it.
    """

    device: str
    root: str
    point: str
    type: str


def mounts() -> Iterator[Mount]:
    """Yield the mounts. Raises OSError."""
    with open(_PATH, encoding="utf-8", errors="surrogateescape") as lines:  # noqa: PTH123 - line by line
        yield from parse(lines)


def parse(lines: Iterable[str]) -> Iterator[Mount]:
    """Yield the mounts of these lines."""
    for line in lines:
        # ID PARENT MAJOR:MINOR ROOT PATH OPTIONS [FIELDS] - TYPE SOURCE OPTIONS
        before, _, after = line.partition(" - ")
        _, _, device, root, point, *_ = before.split(" ")
        yield Mount(device, _unescaped(root), _unescaped(point), after.split(" ")[0])


def _unescaped(path: str) -> str:
    """Return a path whose blanks are not written as octal numbers."""
    return _ESCAPE.sub(lambda escape: chr(int(escape[1], 8)), path)
