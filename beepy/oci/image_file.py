"""An image in a file: an ELF object, or an image layout in a tar file."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from beepy.errors import ImageNotFound, UnsupportedImage
from beepy.file_bytes import ELF_MAGIC
from beepy.oci import formats
from beepy.oci.admission import admit, file_candidate
from beepy.oci.descriptor import MAX_IMAGE
from beepy.oci.image import Image
from beepy.oci.store import Store
from beepy.text import safe

if TYPE_CHECKING:
    from beepy.oci.policy import Policy


def read(text: str, policy: "Policy | None") -> Image | None:
    """Return the image in the file ``text``; None if it does not exist, or is a directory."""
    with opened(text) as stream:
        return _from_stream(stream, text, safe(text[:200]), policy) if stream else None


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


def _from_stream(stream: BinaryIO, text: str, where: str, policy: "Policy | None") -> Image:
    data = stream.read(512)
    if data.startswith(ELF_MAGIC):
        return admit(file_candidate(text, _whole(stream, data, where)), policy=policy)
    from beepy.oci import archive  # noqa: PLC0415 - only where it is used

    if archive.is_tar(data):
        return archive.load(stream, text, policy)
    if file_format := formats.detect_file(text, data):
        data = _whole(stream, data, where)
        return admit(file_candidate(text, data, file_format), policy=policy)
    from beepy.oci.formats import unsupported  # noqa: PLC0415 - only on the way to an error

    raise unsupported.file(data, text)


def _whole(stream: BinaryIO, head: bytes, where: str) -> bytes:
    """Return ``head`` and the rest of a file. Raises UnsupportedImage if it is too large."""
    data = head + stream.read(MAX_IMAGE + 1 - len(head))
    if len(data) > MAX_IMAGE:
        raise UnsupportedImage(f"{where}: more than {MAX_IMAGE} bytes")
    return data


def layout_refusal(text: str) -> UnsupportedImage | None:
    """Return why the directory ``text`` is not an image, if it is an image layout.

    For anything else, None.
    """
    if not text or "\0" in text or not Path(text, "oci-layout").is_file():
        return None
    from beepy.oci.formats import unsupported  # noqa: PLC0415 - only on the way to an error

    return unsupported.layout(text, Store(Path(text)).names)
