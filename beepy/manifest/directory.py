"""Write a directory as a whole: it appears complete, or not at all."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from beepy.errors import OutputError
from beepy.text import excerpt, safe


@contextmanager
def replaced(path: Path, foreign: Callable[[Path], str]) -> Iterator[Path]:
    """Yield a new directory, which becomes ``path`` if the block raises nothing.

    A directory that exists is replaced, unless it is not empty and ``foreign`` returns why it is
    not ours. Raises OutputError then, before the block, and OSError.
    """
    _refuse(path, foreign)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as work:
        new, old = Path(work, "new"), Path(work, "old")
        new.mkdir(mode=0o755)
        yield new
        _refuse(path, foreign)  # much time may have passed
        if path.exists():
            path.rename(old)
        try:
            new.rename(path)
        except OSError:
            if old.exists():
                old.rename(path)
            raise
        shutil.rmtree(old, ignore_errors=True)


def _refuse(path: Path, foreign: Callable[[Path], str]) -> None:
    if not os.path.lexists(path):
        return
    if path.is_symlink() or not path.is_dir():
        raise OutputError(f"{safe(str(path))}: exists, and is not a directory")
    if any(path.iterdir()) and (why := foreign(path)):
        error = OutputError(f"{safe(str(path))}: not overwritten: {excerpt(why, 200)}")
        error.add_note("-o DIR writes another directory")
        raise error
