"""Where fetched kernels, tools and objects are kept from one run of the tests to the next."""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.vm.apt import Unavailable

WEEK: Final = 7 * 24 * 3600  # seconds: then things are fetched again


def folder() -> Path:
    """Return the cache's folder, which exists then."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    found = (Path(root) if root.startswith("/") else Path.home() / ".cache") / "beepy-tests"
    found.mkdir(parents=True, exist_ok=True)
    return found


@contextmanager
def locked() -> Iterator[Path]:
    """Lock the directory: one process uses it at a time."""
    found = folder()
    with (found / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield found


def kept(name: str, make: Callable[[Path, Path], None]) -> Path:
    """Return the cache's directory ``name``: ``make(cache, new)`` fills it, anew after a week.

    The old one stays where no new one can be made. Raises Unavailable.
    """
    with locked() as root:
        found, new = root / name, root / f"{name}.new"
        if not found.exists() or time.time() - found.stat().st_mtime > WEEK:
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir(parents=True)
            try:
                make(root, new)
            except Unavailable:
                if not found.exists():
                    raise
            else:
                shutil.rmtree(found, ignore_errors=True)
                new.rename(found)
    return found
