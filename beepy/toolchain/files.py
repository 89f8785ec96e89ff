"""Write files, whole or not at all; the paths of objects."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from beepy.errors import OutputError
from beepy.text import safe


def default_object(source: Path) -> Path:
    """Return where the object of a source is written if nothing else is said: ``.o`` for ``.c``."""
    return Path(f"{os.path.splitext(source)[0]}.o")  # noqa: PTH122 - "/" has no name to change


def as_image(path: Path) -> str:
    """Return a path as ``beepy run`` takes it for a file, and never for a reference."""
    text = str(path)
    return text if text.startswith((".", "/")) else f"./{text}"


@contextmanager
def replacement(path: Path, data: bytes) -> Iterator[None]:
    """Write ``data`` beside ``path`` at the beginning, rename it to ``path`` at the end.

    Nothing is changed if the block raises. Raises OutputError if ``path`` cannot be written, or is
    something else than a file.
    """
    temporary = path.with_name(f".{path.name[:100]}.{os.urandom(8).hex()}")
    try:
        with _output_errors(path):
            _refuse_others(path)
            with temporary.open("xb") as file:
                file.write(data)
        yield
        with _output_errors(path):
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()


def create(path: Path, data: bytes) -> None:
    """Write a new file. Raises OutputError if it exists already, or cannot be written."""
    with _output_errors(path), path.open("xb") as file:
        try:
            file.write(data)
            file.flush()
        except BaseException:
            path.unlink()
            raise


def _refuse_others(path: Path) -> None:
    """Raise OSError for a directory or a device: root could replace /dev/null by a file."""
    with suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
            raise OSError(0, "not a regular file")


@contextmanager
def _output_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise OutputError(f"{safe(str(path))}: {why}") from error
