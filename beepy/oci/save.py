"""Write images into an oci-archive, an image layout in a tar file: same images, same bytes.

Members are in a fixed order, and have no time and no owner.
"""

import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

from beepy.errors import OutputError, UnsupportedImage
from beepy.oci import lookup
from beepy.oci.archive import MAX_MEMBERS
from beepy.oci.copying import complete
from beepy.oci.descriptor import Descriptor
from beepy.oci.layout import LAYOUT, IndexEntry, Layout, name_of
from beepy.oci.options import Options
from beepy.oci.reachable import key_of
from beepy.text import safe

Write = Callable[[bytes], object]

_BLOCK: Final = 512
_MAX_SIZE: Final = 8 << 30  # eleven octal digits


def save(images: Sequence[str], write: Write, options: Options) -> list[tuple[str, str]]:
    """Write images of the local stores, or bundled ones, with what refers to them, as an archive.

    Returns the name and digest of each. Nothing is written before all are known to be complete; of
    a damaged blob DigestMismatch is raised when it has been written. Raises ImageNotFound,
    UnsupportedImage and StoreError, and whatever ``write`` raises.
    """
    saved = []
    entries: dict[tuple[str | None, str | None], IndexEntry] = {}
    blobs: dict[str, tuple[Layout, Descriptor]] = {}
    with ExitStack() as leases:
        layouts: dict[str, Layout] = {}
        for image in images:
            store, name, descriptor = lookup.find_stored(image, options)
            layout = layouts.setdefault(os.path.realpath(store.path), store.layout)
            leases.enter_context(layout.lease())
            needed = complete(store, store.entry(name, descriptor), image)
            entries |= {key_of(entry): entry for entry in needed.entries}
            blobs |= {digest: (layout, blob) for digest, blob in needed.blobs.items()}
            saved.append((name, descriptor.digest))
        for chunk in _archive(list(entries.values()), blobs):
            write(chunk)
    return saved


@contextmanager
def replaced(path: str) -> Iterator[Write]:
    """Yield what writes to the file ``path``, which is replaced at the end, and not by half.

    What is no regular file (a pipe, /dev/stdout) is written to as it is. Raises OutputError.
    """
    with ExitStack() as opened, _output_errors(path):
        target = _target(path)
        try:
            in_place = not stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 - a path is a text here
        except FileNotFoundError:
            in_place = False
        temporary = path if in_place else f"{target}.{os.urandom(4).hex()}.tmp"
        flags = os.O_WRONLY | os.O_CLOEXEC | (0 if in_place else os.O_CREAT | os.O_EXCL)
        file = os.open(temporary, flags, 0o666)
        opened.callback(os.close, file)
        if in_place and stat.S_ISREG(os.fstat(file).st_mode):
            raise OutputError(f"{safe(path)}: has just changed")
        if not in_place:
            opened.callback(_remove, temporary)
        yield lambda data: write_all(file, data)
        if not in_place:
            os.fsync(file)
            os.rename(temporary, target)  # noqa: PTH104 - as above


def _target(path: str) -> str:
    """Return the path of the file to replace: a link's target.

    Raises OutputError for a link that another user put into a directory for all, such as /tmp: with
    it he could have root replace any file. (``fs.protected_symlinks`` does not see what is read of
    a link, but not followed.)
    """
    try:
        status = os.lstat(path)
        owner = os.stat(os.path.dirname(path) or ".").st_uid  # noqa: PTH116, PTH120 - as below
    except FileNotFoundError:
        return path
    if not stat.S_ISLNK(status.st_mode):
        return path
    if status.st_uid not in (0, os.geteuid(), owner):
        raise OutputError(f"{safe(path)}: a symbolic link of another user")
    return os.path.realpath(path)


def write_all(file: int, data: bytes) -> None:
    """Write all of ``data``. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108 - as above


@contextmanager
def _output_errors(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"{safe(path)}: {os.strerror(error.errno or 0).lower()}") from error


def _archive(
    entries: Sequence[IndexEntry], blobs: Mapping[str, tuple[Layout, Descriptor]]
) -> Iterator[bytes]:
    if len(blobs) + 2 > MAX_MEMBERS:
        raise UnsupportedImage(
            f"{len(blobs)} blobs: an archive has at most {MAX_MEMBERS - 2}: save fewer images"
        )
    if large := next((blob for _, blob in blobs.values() if blob.size >= _MAX_SIZE), None):
        raise UnsupportedImage(f"{large.digest}: {large.size} bytes are too many for an archive")
    named = sorted(entries, key=_order)
    index = json.dumps({"schemaVersion": 2, "manifests": named}, separators=(",", ":")).encode()
    for name, data in (("oci-layout", LAYOUT), ("index.json", index)):
        yield _header(name, len(data)) + data + _padding(len(data))
    for digest, (layout, blob) in sorted(blobs.items()):
        yield _header(f"blobs/sha256/{digest.removeprefix('sha256:')}", blob.size)
        yield from layout.chunks(blob)
        yield _padding(blob.size)
    yield bytes(2 * _BLOCK)


def _order(entry: IndexEntry) -> tuple[bool, str, str]:
    """Sort by name and digest; what has no name comes last."""
    name = name_of(entry)
    return name is None, name or "", str(entry.get("digest"))


def _header(name: str, size: int) -> bytes:
    from tarfile import USTAR_FORMAT, TarInfo  # noqa: PLC0415 - not for a run

    member = TarInfo(name)
    member.size = size
    return member.tobuf(USTAR_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % _BLOCK)
