"""Open files in the root directory of another process, perhaps a container's.

A symbolic link there must not lead out of that root, and a pipe there must not block us.
"""

import os
from typing import BinaryIO, Final

_MAX_LINKS: Final = 40  # MAXSYMLINKS


def resolve_in(root: str, path: str) -> str:
    """Return ``path`` below ``root``, with symbolic links followed as if ``root`` were "/".

    Without this the kernel would follow an absolute link out of ``root``. If ``root`` is "" the
    path is returned unchanged.
    """
    if not root:
        return path
    resolved: list[str] = []
    pending = path.split("/")[::-1]
    links = 0
    while pending:
        part = pending.pop()
        if part == "..":
            del resolved[-1:]
        elif part not in {"", "."}:
            try:
                link_target = os.readlink("/".join((root, *resolved, part)))  # noqa: PTH115
            except OSError:
                resolved.append(part)
                continue
            links += 1
            if links > _MAX_LINKS:
                break
            if link_target.startswith("/"):
                resolved = []
            pending.extend(link_target.split("/")[::-1])
    return "/".join((root, *resolved))


def open_nonblocking(path: str) -> BinaryIO:
    """Open a file for reading; a pipe without a writer does not block. Raises OSError."""
    return open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))
