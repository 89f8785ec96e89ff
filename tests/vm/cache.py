"""Where fetched kernels are kept from one run of the tests to the next."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def folder() -> Path:
    """Return the cache's folder, which exists then."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    found = (Path(root) if root.startswith("/") else Path.home() / ".cache") / "beepy-tests"
    found.mkdir(parents=True, exist_ok=True)
    return found


@contextmanager
def locked() -> Iterator[Path]:
    """Give the folder to one process at a time."""
    found = folder()
    with (found / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield found
