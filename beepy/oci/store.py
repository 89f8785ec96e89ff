"""An OCI image layout on disk: shared with skopeo, oras-go and bee, written atomically, verified at every read.

::

    oci-layout     {"imageLayoutVersion":"1.0.0"}
    index.json     the names; replaced whole, under a lock (flock) on the layout's folder
    blobs/sha256/  files named by their digest, mode 0444
    ingest/        files that are being written; each is locked by its writer, an unlocked one is left over

Below the layout's folder no symbolic link is followed.
"""

import errno
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from beepy.errors import DigestMismatch, ImageError, ImageNotFound, StoreError, UnsupportedImage
from beepy.log import Log
from beepy.oci import formats
from beepy.oci.descriptor import (
    MAX_MANIFEST,
    Descriptor,
    check,
    digest_of,
    parse_descriptor,
    parse_object,
    refuse_other_case,
)
from beepy.oci.directory import Directory
from beepy.oci.image import Image
from beepy.oci.ownership import refuse_others
from beepy.oci.reference import same, same_repository
from beepy.oci.sha256 import sha256
from beepy.text import excerpt, safe

_log = Log(__name__)

_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_MAX_INDEX = 4 * MAX_MANIFEST
_BLOBS = ("blobs", "sha256")
_UNWRITABLE = (errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM)


class Entry(NamedTuple):
    """One named image of a store; ``size`` counts manifest, config and layers. None is what cannot be known.

    ``partial``: config or layers that its format does not use have not been fetched.
    """

    name: str
    description: str | None
    digest: str
    size: int | None
    created: str | None
    platform: str | None
    partial: bool = False


class Store:
    """The layout in folder ``path``, which need not exist: reading changes nothing on disk, writing makes it.

    ``is_ours``: it is part of the program, and trusted as that is; another one may be refused for its owner or mode.
    """

    def __init__(self, path: Path, *, is_ours: bool = False) -> None:
        self.path = path
        self._directory = Directory(path, "ingest", follows_links=is_ours)
        self._is_ours = is_ours

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"

    def list(self) -> tuple[Entry, ...]:
        """Return the named images, in the index's order; raise StoreError for what is no layout."""
        return tuple(self._entry(name, descriptor) for name, descriptor in self._named())

    def names(self) -> tuple[str, ...]:
        """Return the names alone, reading no blob."""
        return tuple(name for name, _ in self._named())

    def named(self, name: str) -> Descriptor | None:
        """Return the descriptor that is stored under exactly this name; with a digest, the name without it does too.

        What the index gives a name with a digest that is another one is not found.
        """
        bare, _, pin = name.partition("@")
        named = [descriptor for stored, descriptor in self._named()[::-1] if stored in (name, bare)]
        return next((descriptor for descriptor in named if not pin or descriptor.digest == pin), None)

    def find(self, name: str) -> tuple[str, Descriptor] | None:
        """Return the stored name and descriptor for ``name``: verbatim first, then by normalised reference.

        A name with a digest finds what has this digest, or leads to a manifest that has, whatever the index says; its
        tag may be another one.
        """
        named = self._named()[::-1]
        if pinned := name.partition("@")[2]:
            near = [item for item in named if item[0] == name or same_repository(item[0], name)]
            own = next((item for item in near if item[1].digest == pinned), None)
            return own or next((item for item in near if self._leads_to(item[1], pinned)), None)
        verbatim = next((item for item in named if item[0] == name), None)
        return verbatim or next((item for item in named if same(item[0], name)), None)

    def _leads_to(self, descriptor: Descriptor, digest: str) -> bool:
        """Tell whether an index's manifest for us has that digest."""
        try:
            index = formats.parse(self.read(descriptor), self._where, descriptor.media_type)
            listed = isinstance(index, formats.Index) and digest in {one.digest for one in index.manifests}
            return listed and formats.resolve(descriptor, self.read, self._where)[0].digest == digest
        except ImageError:
            return False

    def get(self, name: str) -> Image:
        """Return the image called ``name``; raise ImageNotFound if there is none, DigestMismatch if it is damaged."""
        found = self.find(name)
        if found is None:
            raise ImageNotFound(f"{safe(name)}: not in {self._where}")
        return self.load(name, found[1])

    def load(self, name: str, descriptor: Descriptor) -> Image:
        """Return the image of a descriptor that ``find`` gave for ``name``; raise DigestMismatch if it is damaged."""
        return formats.load(name, descriptor, self.read)

    def read(self, descriptor: Descriptor) -> bytes:
        """Return a blob's bytes after checking size and digest."""
        data = self._read(*_blob(descriptor.digest), limit=descriptor.size)
        if data is None:
            raise StoreError(f"{self._where}: {descriptor.digest}: the blob is missing")
        return check(data, descriptor, self._where)

    def has(self, descriptor: Descriptor) -> bool:
        """Tell whether the blob is here and undamaged."""
        try:
            self.read(descriptor)
        except (DigestMismatch, StoreError):
            return False
        return True

    def add_blob(
        self, data: bytes | Iterable[bytes], expected: Descriptor | None = None, source: str = ""
    ) -> tuple[str, int]:
        """Write a blob and return its digest and size.

        With ``expected``, chunks are taken up to its size and the blob enters the store only if digest and size are
        right; DigestMismatch otherwise, which names ``source``. A sound blob that is here already is not written again.
        """
        if isinstance(data, bytes):
            expected = expected or Descriptor("", digest_of(data), len(data))
            if self.has(expected):
                return expected.digest, expected.size
            data = (data,)
        with self._told():
            self._create()
            with self._directory.temporary() as (file, name):
                digest, size = _copy(data, file, expected, source or self._where)
                self._directory.publish(file, name, *_blob(digest), mode=0o444)
        return digest, size

    def put(self, name: str, manifest: bytes, media_type: str = "", platform: Mapping[str, str] | None = None) -> str:
        """Write a manifest, whose blobs are here already, and give it a name; return its digest.

        A name that exists is moved. ``platform`` goes into the index's descriptor verbatim. Raises UnsupportedImage for
        what is neither a manifest nor an index.
        """
        media_type = formats.parse(manifest, excerpt(name, 200), media_type).media_type
        digest, size = self.add_blob(manifest)
        entry: dict[str, object] = {"mediaType": media_type, "digest": digest, "size": size}
        entry["annotations"] = {formats.REF_NAME: name}
        if platform:
            entry["platform"] = dict(platform)
        self._set_name(name, entry)
        return digest

    def add_image(
        self,
        name: str,
        program: bytes,
        annotations: Mapping[str, str],
        platform: Mapping[str, str] | None = None,
    ) -> str:
        """Write one program as an image in bee's format; return the manifest's digest."""
        self.add_blob(formats.BEE_CONFIG_BODY)
        self.add_blob(program)
        return self.put(name, formats.bee_manifest(program, annotations), formats.OCI_MANIFEST, platform)

    def tag(self, source: str, target: str) -> None:
        """Give the image called ``source`` a second name; all that the index says of it is kept."""
        found = self.find(source)
        if found is None:
            raise ImageNotFound(f"{safe(source)}: not in {self._where}")
        for entry in self._index()[1]:
            if (_name(entry), entry.get("digest")) == (found[0], found[1].digest):
                annotations = entry.get("annotations")
                kept = annotations if isinstance(annotations, dict) else {}
                self._set_name(target, {**entry, "annotations": {**kept, formats.REF_NAME: target}})
                return

    @property
    def _where(self) -> str:
        return f"store {safe(str(self.path))}"

    def _read(self, *parts: str, limit: int) -> bytes | None:
        with self._told():
            try:
                return self._directory.read(*parts, limit=limit)
            except FileNotFoundError:
                return None

    def _named(self) -> tuple[tuple[str, Descriptor], ...]:
        """Return what has a name and a sound descriptor; of what is unsound a warning tells."""
        named = []
        for entry in self._index()[1]:
            name = _name(entry)
            if name is None:
                continue
            try:
                named.append((name, parse_descriptor(entry, f"{self._where}: {excerpt(name)}")))
            except UnsupportedImage as error:
                _log.warning("%s", error)
        return tuple(named)

    def _entry(self, name: str, descriptor: Descriptor) -> Entry:
        size = description = created = None
        partial = False
        try:
            resolved, manifest = formats.resolve(descriptor, self.read, excerpt(name))
        except ImageError as error:
            _log.warning("%s", error)
        else:
            size = resolved.size + sum(blob.size for blob in manifest.blobs)
            description = manifest.annotations.get(formats.DESCRIPTION)
            created = manifest.annotations.get(formats.CREATED)
            partial = not all(map(self._has_file, manifest.blobs))
        return Entry(name, description, descriptor.digest, size, created, descriptor.platform or None, partial)

    def _has_file(self, descriptor: Descriptor) -> bool:
        """Tell whether there is a file of the blob's size, which is not read."""
        try:
            return self._directory.size(*_blob(descriptor.digest)) == descriptor.size
        except OSError:
            return False

    def _index(self) -> tuple[dict[str, object], tuple[dict[str, object], ...]]:
        """Return index.json and its entries; a folder that does not exist, or is empty, is an empty store."""
        self._refuse_others()
        layout = self._read("oci-layout", limit=4096)
        if layout is None:
            names = set()
            with self._told(), suppress(FileNotFoundError):
                names = self._directory.names()
            if not names - {"blobs", "ingest"}:
                return {}, ()
            layout = self._read("oci-layout", limit=4096)  # another process may have made it just now
        if layout is None:
            raise StoreError(f"{self._where}: not an image layout: it has no oci-layout")
        data = self._read("index.json", limit=_MAX_INDEX)
        try:
            version = parse_object(layout, "oci-layout").get("imageLayoutVersion")
            index = parse_object(b"{}" if data is None else data, "index.json")
            refuse_other_case(index, ("manifests",), "index.json")
        except UnsupportedImage as error:
            raise StoreError(f"{self._where}: {error}") from error
        if version != "1.0.0":
            raise StoreError(f"{self._where}: layout version '{excerpt(version)}': only 1.0.0 is known")
        entries = index.get("manifests")
        if entries is None:
            entries = []
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise StoreError(f"{self._where}: index.json: manifests: a list of objects is expected")
        return index, tuple(entries)

    def _set_name(self, name: str, entry: dict[str, object]) -> None:
        """Give ``name`` to one index entry, taking it from every other; the rest of the index stays as it is."""
        self._create()
        with self._told(), self._directory.locked(self._where):
            self._directory.sweep()
            index, entries = self._index()
            kept = [old for old in entries if _name(old) != name]
            data = json.dumps(
                {"schemaVersion": 2, **index, "manifests": [*kept, entry]}, separators=(",", ":")
            ).encode()
            self._replace("index.json", data)

    def _refuse_others(self) -> None:
        if not self._is_ours:
            refuse_others(self.path / "index.json", self._where, StoreError, strict=2)

    def _create(self) -> None:
        self._refuse_others()
        with self._told():
            new = self._read("oci-layout", limit=4096) is None
            if new:
                self._index()  # raises where the folder holds something else
            self._directory.make(*_BLOBS)
            self._directory.make("ingest")
            if new:
                self._replace("oci-layout", _LAYOUT)
                self._directory.sweep()

    def _replace(self, path: str, data: bytes) -> None:
        with self._directory.temporary() as (file, name):
            _write(file, data)
            self._directory.publish(file, name, path, mode=0o644)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell a refusal of the operating system as StoreError."""
        try:
            yield
        except OSError as error:
            what = f": {safe(str(error.filename))}" if error.filename and error.filename != str(self.path) else ""
            raise StoreError(f"{self._where}{what}: {error.strerror}") from error


def is_unwritable(error: StoreError) -> bool:
    """Tell whether the disk is read-only or full, or this user may not write there."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in _UNWRITABLE


def _name(entry: dict[str, object]) -> str | None:
    annotations = entry.get("annotations")
    name = annotations.get(formats.REF_NAME) if isinstance(annotations, dict) else None
    return name if isinstance(name, str) else None


def _blob(digest: str) -> tuple[str, ...]:
    return (*_BLOBS, digest.removeprefix("sha256:"))


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _copy(chunks: Iterable[bytes], file: int, expected: Descriptor | None, where: str) -> tuple[str, int]:
    """Write ``chunks`` and return digest and size; stop where they exceed what is expected."""
    hashed, size = sha256(), 0
    for chunk in chunks:
        size += len(chunk)
        if expected and size > expected.size:
            raise DigestMismatch(f"{where}: {expected.digest}: more than the expected {expected.size} bytes")
        hashed.update(chunk)
        _write(file, chunk)
    digest = "sha256:" + hashed.hexdigest()
    if expected and size != expected.size:
        raise DigestMismatch(f"{where}: {expected.digest}: {size} bytes, expected {expected.size}")
    if expected and digest != expected.digest:
        raise DigestMismatch(f"{where}: content is {digest}, expected {expected.digest}")
    return digest, size
