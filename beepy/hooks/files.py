"""Files that a process, perhaps in a container, shows us: looked at without being led out, or made to wait."""

import os
from typing import BinaryIO, Final

_LINKS: Final = 40  # MAXSYMLINKS


def inside(root: str, path: str) -> str:
    """Return ``path`` below ``root``, with symbolic links followed as if that were "/": the kernel would leave it.

    Where ``root`` is "" it is our own, and the path stays as it is.
    """
    if not root:
        return path
    done: list[str] = []
    todo = path.split("/")[::-1]
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            del done[-1:]
        elif part not in {"", "."}:
            try:
                to = os.readlink("/".join((root, *done, part)))  # noqa: PTH115
            except OSError:
                done.append(part)
                continue
            links += 1
            if links > _LINKS:
                break
            if to.startswith("/"):
                done = []
            todo.extend(to.split("/")[::-1])
    return "/".join((root, *done))


def opened(path: str) -> BinaryIO:
    """Open a file to be read; a pipe without a writer does not make us wait. Raises OSError."""
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))
