"""An OCI image layout on disk, which skopeo, oras-go and bee can share.

Files are written atomically and verified at every read.

::

    oci-layout     {"imageLayoutVersion":"1.0.0"}
    index.json     the names; replaced whole, under a lock (flock) on the layout's directory
    blobs/sha256/  files named by their digest, mode 0444
    ingest/        files being written; each is locked by its writer, an unlocked one is left over

Below the layout's directory no symbolic link is followed.
"""

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from beepy.errors import DigestMismatch, StoreError, UnsupportedImage
from beepy.oci.descriptor import (
    MAX_MANIFEST,
    Descriptor,
    check,
    parse_object,
    refuse_other_case,
    verified,
)
from beepy.oci.directory import Directory
from beepy.oci.ownership import refuse_others
from beepy.text import excerpt, safe

_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_MAX_INDEX = 4 * MAX_MANIFEST
_CHUNK = 1 << 20
_BLOBS = ("blobs", "sha256")
_UNWRITABLE = (errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM)

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

    def read(self, descriptor: Descriptor) -> bytes:
        """Return a blob's bytes after checking size and digest.

        Raises DigestMismatch if it is damaged.
        """
        data = self._read(*_blob(descriptor.digest), limit=descriptor.size)
        if data is None:
            raise self._not_found(descriptor)
        return check(data, descriptor, self.where)

    def chunks(self, descriptor: Descriptor) -> Iterator[bytes]:
        """Yield a blob in chunks; raises as ``read`` does, a wrong digest after the last one."""
        yield from verified(self._chunks(descriptor), descriptor, self.where)

    def has(self, descriptor: Descriptor) -> bool:
        """Tell whether the blob exists and is undamaged."""
        try:
            for _ in self.chunks(descriptor):
                pass
        except (DigestMismatch, StoreError):
            return False
        return True

    def has_file(self, descriptor: Descriptor) -> bool:
        """Tell whether there is a file of the blob's size; its bytes are not read."""
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

    def replace_entries(self, change: Callable[[tuple[IndexEntry, ...]], list[IndexEntry]]) -> None:
        """Replace the entries by what ``change`` makes of them, under the lock.

        The rest of the index is kept.
        """
        self._create()
        with self._store_errors(), self._directory.locked(self.where):
            self._directory.sweep()
            index, entries = self._index()
            body = {"schemaVersion": 2, **index, "manifests": change(entries)}
            self._replace("index.json", json.dumps(body, separators=(",", ":")).encode())

    def _write_blob(self, chunks: Iterable[bytes], descriptor: Descriptor) -> None:
        with self._store_errors():
            self._create()
            with self._directory.temporary() as (file, name):
                for chunk in chunks:
                    _write(file, chunk)
                self._directory.publish(file, name, *_blob(descriptor.digest), mode=0o444)

    def _chunks(self, descriptor: Descriptor) -> Iterator[bytes]:
        with self._store_errors():
            try:
                with self._directory.file(*_blob(descriptor.digest)) as file:
                    while chunk := os.read(file, _CHUNK):
                        yield chunk
            except FileNotFoundError:
                raise self._not_found(descriptor) from None

    def _not_found(self, descriptor: Descriptor) -> StoreError:
        return StoreError(f"{self.where}: {descriptor.digest}: blob not found")

    def _read(self, *parts: str, limit: int) -> bytes | None:
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
                self._replace("oci-layout", _LAYOUT)
                self._directory.sweep()

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


def _blob(digest: str) -> tuple[str, ...]:
    return (*_BLOBS, digest.removeprefix("sha256:"))


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
