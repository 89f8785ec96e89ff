"""An OCI image layout on disk, which skopeo, oras-go and bee can share.

Files are written atomically and verified at every read.

::

    oci-layout     {"imageLayoutVersion":"1.0.0"}
    index.json     the names; replaced whole, under a lock (flock) on the layout's directory
    blobs/sha256/  files named by their digest, mode 0444, mtime 0; ``lease`` locks the directory
    ingest/        files being written; each is locked by its writer, an unlocked one is left over

Below the layout's directory no symbolic link is followed.
"""

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from beepy.errors import DigestMismatch, StoreError, UnsupportedImage
from beepy.oci.descriptor import (
    MAX_MANIFEST,
    Descriptor,
    check,
    parse_object,
    refuse_other_case,
    verified,
)
from beepy.oci.directory import Directory, is_temporary
from beepy.oci.lease import Lease
from beepy.oci.manifest import REF_NAME
from beepy.oci.ownership import refuse_others
from beepy.text import excerpt, safe

LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
"""The file ``oci-layout``."""

_MAX_INDEX = 4 * MAX_MANIFEST
_CHUNK = 1 << 20
_BLOBS = ("blobs", "sha256")
_UNWRITABLE = (errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM)


class StoredFile(NamedTuple):
    """A file of a layout, by its path below it; ``mtime`` in seconds."""

    parts: tuple[str, ...]
    size: int
    mtime: float


IndexEntry = dict[str, object]
"""One descriptor of index.json, with all its members: those that beepy does not know are kept."""


class Layout:
    """The layout in the directory ``path``, which need not exist: writing creates it.

    ``is_ours``: it is part of the program, and trusted like it; any other may be refused for its
    owner or mode. Everything raises StoreError.
    """

    def __init__(self, path: Path, *, is_ours: bool = False) -> None:
        self.path = path
        self.where = f"store {safe(str(path))}"
        self._directory = Directory(path, "ingest", follows_links=is_ours)
        self._is_ours = is_ours
        self._lease = Lease(self._directory, self.where)

    @contextmanager
    def lease(self) -> Iterator[None]:
        """Protect the blobs that are read and written meanwhile until they have a name.

        Nothing is removed from the layout during a lease, and a lease waits while something is. A
        lease within a lease is the same one.
        """
        with ExitStack() as held:
            with self._store_errors():
                held.enter_context(self._lease.shared())
            yield

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Wait until no lease is held, and let none begin, so that blobs can be removed."""
        with ExitStack() as held:
            with self._store_errors():
                held.enter_context(self._lease.exclusive())
            yield

    def read(self, descriptor: Descriptor) -> bytes:
        """Return a blob's bytes after checking size and digest.

        Raises DigestMismatch if it is damaged.
        """
        data = self._read(*_blob(descriptor.digest), limit=descriptor.size)
        if data is None:
            raise self.not_found(descriptor)
        return check(data, descriptor, self.where)

    def has(self, descriptor: Descriptor) -> bool:
        """Tell whether the blob exists and is undamaged."""
        try:
            for _ in self.chunks(descriptor):
                pass
        except (DigestMismatch, StoreError):
            return False
        return True

    def chunks(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield a blob in chunks; raises as ``read`` does, a wrong digest after the last one."""
        yield from verified(self._chunks(descriptor), descriptor, self.where)

    def has_file(self, descriptor: Descriptor) -> bool:
        """Tell whether there is a file of the blob's size; its bytes are not read."""
        self._take_lease()
        try:
            return self._directory.size(*_blob(descriptor.digest)) == descriptor.size
        except OSError:
            return False

    def add_blob(self, data: bytes, descriptor: Descriptor) -> None:
        """Write a blob, unless it exists undamaged.

        ``data`` has been checked against ``descriptor``.
        """
        if not self.has(descriptor):
            self._write_blob((data,), descriptor)

    def add_stream(self, chunks: Iterable[bytes], descriptor: Descriptor) -> None:
        """Write a blob from chunks, in constant memory.

        ``chunks`` are checked against ``descriptor`` while they come (``descriptor.verified``): the
        blob enters the store only if they end without an exception.
        """
        self._write_blob(chunks, descriptor)

    def entries(self) -> tuple[IndexEntry, ...]:
        """Return the entries of index.json; a missing or empty directory is an empty store."""
        return self._index()[1]

    def replace_entries(
        self, change: Callable[[tuple[IndexEntry, ...]], Sequence[IndexEntry]]
    ) -> None:
        """Replace the entries by what ``change`` makes of them, under the lock.

        The rest of the index is kept.
        """
        with self.lease():
            self._create()
            self._replace_index(change)

    def _replace_index(
        self, change: Callable[[tuple[IndexEntry, ...]], Sequence[IndexEntry]]
    ) -> None:
        with self._store_errors(), self._directory.locked(self.where):
            self._sweep()
            index, entries = self._index()
            body = {"schemaVersion": 2, **index, "manifests": list(change(entries))}
            data = json.dumps(body, separators=(",", ":")).encode()
            if len(data) > _MAX_INDEX:  # nobody could read it any more
                raise StoreError(
                    f"{self.where}: index.json: {len(data)} bytes, at most {_MAX_INDEX} are allowed"
                )
            self._replace("index.json", data)

    def exists(self) -> bool:
        """Tell whether there is a directory for blobs. Raises StoreError for what is no layout."""
        self._index()
        return self.path.joinpath(*_BLOBS).is_dir()

    def blobs(self) -> tuple[StoredFile, ...]:
        """Return the files in ``blobs/sha256``; others than beepy may have given them any name."""
        with self._store_errors():
            return _stored(_BLOBS, self._directory.files(*_BLOBS))

    def remove(self, file: StoredFile) -> None:
        """Remove a file; the exclusive side of the lease is held."""
        with self._store_errors():
            self._directory.remove(*file.parts)

    def sweep(self, before: float, *, dry_run: bool = False) -> tuple[StoredFile, ...]:
        """Remove killed writers' files from ``ingest``; with ``dry_run`` only return them.

        Other programs do not lock theirs: only those are removed that were last written ``before``.
        """
        with self._store_errors():
            files = self._directory.sweep(
                lambda name, status: is_temporary(name) or status.st_mtime < before,
                dry_run=dry_run,
            )
            return _stored(("ingest",), files)

    @contextmanager
    def spool(self, chunks: Iterable[bytes]) -> Iterator[BinaryIO]:
        """Write a file that has no name when it ends, beside the blobs; yield it open."""
        with self._store_errors():
            self._create()
        with ExitStack() as spooled:
            with self._store_errors():
                file, _ = spooled.enter_context(self._directory.temporary())
                for chunk in chunks:
                    _write(file, chunk)
            yield spooled.enter_context(open(file, "rb", closefd=False))

    def _sweep(self) -> None:
        self._directory.sweep(lambda name, _: is_temporary(name))

    def _write_blob(self, chunks: Iterable[bytes], descriptor: Descriptor) -> None:
        with self._store_errors():
            self._create()
            with self._directory.temporary() as (file, name):
                for chunk in chunks:
                    _write(file, chunk)
                os.utime(file, (0, 0))  # see garbage.py
                self._directory.publish(file, name, *_blob(descriptor.digest), mode=0o444)

    def _chunks(self, descriptor: Descriptor) -> Iterator[bytes]:
        self._take_lease()
        with self._store_errors():
            try:
                with self._directory.file(*_blob(descriptor.digest)) as file:
                    while chunk := os.read(file, _CHUNK):
                        yield chunk
            except FileNotFoundError:
                raise self.not_found(descriptor) from None

    def not_found(self, descriptor: Descriptor) -> StoreError:
        """Return the error for a blob that is missing."""
        return StoreError(f"{self.where}: {descriptor.digest}: blob not found")

    def _take_lease(self) -> None:
        with self._store_errors():
            self._lease.take()

    def _read(self, *parts: str, limit: int) -> bytes | None:
        self._take_lease()
        with self._store_errors():
            try:
                return self._directory.read(*parts, limit=limit)
            except FileNotFoundError:
                return None

    def _index(self) -> tuple[dict[str, object], tuple[IndexEntry, ...]]:
        """Return index.json and its entries."""
        self._refuse_others()
        layout = self._read("oci-layout", limit=4096)
        if layout is None:
            names = set()
            with self._store_errors(), suppress(FileNotFoundError):
                names = self._directory.names()
            if not names - {"blobs", "ingest"}:
                return {}, ()
            # not a store, unless another process has just created it
            layout = self._read("oci-layout", limit=4096)
        if layout is None:
            raise StoreError(f"{self.where}: not an image layout: no oci-layout file")
        data = self._read("index.json", limit=_MAX_INDEX)
        try:
            version = parse_object(layout, "oci-layout").get("imageLayoutVersion")
            index = parse_object(b"{}" if data is None else data, "index.json")
            refuse_other_case(index, ("manifests",), "index.json")
        except UnsupportedImage as error:
            raise StoreError(f"{self.where}: {error}") from error
        if version != "1.0.0":
            raise StoreError(
                f"{self.where}: layout version '{excerpt(version)}': only 1.0.0 is supported"
            )
        entries = index.get("manifests")
        if entries is None:
            entries = []
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise StoreError(f"{self.where}: index.json: manifests: a list of objects is expected")
        return index, tuple(entries)

    def _refuse_others(self) -> None:
        if not self._is_ours:
            refuse_others(self.path / "index.json", self.where, StoreError, strict=2)

    def _create(self) -> None:
        self._refuse_others()
        with self._store_errors():
            is_new = self._read("oci-layout", limit=4096) is None
            if is_new:
                self._index()  # raises if the directory holds something else
            self._directory.make(*_BLOBS)
            self._directory.make("ingest")
            if is_new:
                self._replace("oci-layout", LAYOUT)
                self._sweep()
            self._take_lease()

    def _replace(self, path: str, data: bytes) -> None:
        with self._directory.temporary() as (file, name):
            _write(file, data)
            self._directory.publish(file, name, path, mode=0o644)

    @contextmanager
    def _store_errors(self) -> Iterator[None]:
        """Raise OSError as StoreError."""
        try:
            yield
        except OSError as error:
            is_below = error.filename and error.filename != str(self.path)
            path = f": {safe(str(error.filename))}" if is_below else ""
            raise StoreError(f"{self.where}{path}: {error.strerror}") from error


def is_unwritable(error: StoreError) -> bool:
    """Tell whether the disk is read-only or full, or this user may not write there."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _UNWRITABLE


def name_of(entry: IndexEntry) -> str | None:
    """Return an image's name, the annotation ``ref.name`` of its entry."""
    annotations = entry.get("annotations")
    name = annotations.get(REF_NAME) if isinstance(annotations, dict) else None
    return name if isinstance(name, str) else None


def _stored(
    parts: tuple[str, ...], files: Iterable[tuple[str, os.stat_result]]
) -> tuple[StoredFile, ...]:
    return tuple(
        StoredFile((*parts, name), status.st_size, status.st_mtime) for name, status in files
    )


def _blob(digest: str) -> tuple[str, ...]:
    return (*_BLOBS, digest.removeprefix("sha256:"))


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
