"""Names of images that are names of files."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from beepy.errors import ImageNotFound, UnsupportedImage
from beepy.oci.reference import has_host, is_reference
from beepy.oci.store import Store
from beepy.text import safe


def could_be_file(text: str) -> bool:
    """Tell whether ``text`` may name a file; what begins with "." or "/" is never a reference.

    A name with a digest is not looked up as a file, even if the digest is mistyped or not
    supported: anybody who can write to the directory could create a file of that name with other
    contents.
    """
    if text.startswith((".", "/")):
        return True
    return ":" not in text.partition("@")[2] and not (
        (has_host(text) or "@" in text) and is_reference(text)
    )


@contextmanager
def opened(text: str) -> Iterator[BinaryIO | None]:
    """Open the regular file ``text``; yield None if it does not exist, or is a directory."""
    where = safe(text[:200])
    try:
        file = os.open(text, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (
        FileNotFoundError,
        NotADirectoryError,
        ValueError,
    ):  # ValueError: a NUL, a lone surrogate
        yield None
        return
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG or (
            error.errno == errno.EACCES and not _cwd_searchable(text)
        ):
            yield None
            return
        raise ImageNotFound(f"{where}: {error.strerror}") from error
    try:
        mode = os.fstat(file).st_mode
        if stat.S_ISDIR(mode) and not text.startswith((".", "/")):
            yield None
            return
        if not stat.S_ISREG(mode):
            raise layout_refusal(text) or UnsupportedImage(f"{where}: not a regular file")
        with open(file, "rb", closefd=False) as stream:
            yield stream
    except OSError as error:
        raise ImageNotFound(f"{where}: {error.strerror}") from error
    finally:
        os.close(file)


def _cwd_searchable(text: str) -> bool:
    """Tell whether this user may search the directory of ``text``; after su, perhaps not."""
    return text.startswith((".", "/")) or os.access(".", os.X_OK)


def layout_refusal(text: str) -> UnsupportedImage | None:
    """Return why the directory ``text`` is not an image, if it is an image layout.

    For anything else, None.
    """
    if not text or "\0" in text or not Path(text, "oci-layout").is_file():
        return None
    from beepy.oci.formats import unsupported  # noqa: PLC0415 - only on the way to an error

    return unsupported.layout(text, Store(Path(text)).names)
