"""Images on this machine, as they are stored: every platform, with their bytes unchanged."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from beepy.errors import ImageError, ImageNotFound, UnsupportedImage
from beepy.file_bytes import ELF_MAGIC
from beepy.log import Log
from beepy.oci import lookup
from beepy.oci.admission import ImageSource
from beepy.oci.archive import Archive, is_tar, only
from beepy.oci.descriptor import MAX_IMAGE, MAX_MOVED, Descriptor, descriptor_of
from beepy.oci.formats import FileFormat, detect_file
from beepy.oci.image_file import opened
from beepy.oci.manifest import MAX_DEPTH, OCI_MANIFEST, Index, Manifest, read_document, walk
from beepy.oci.options import Options
from beepy.oci.reference import Reference, has_host, is_reference, parse, same_repository
from beepy.oci.store import Store
from beepy.oci.stored_referrers import Source
from beepy.text import safe

_log = Log(__name__)

_MAX_NAMES = 32
_MAX_MANIFESTS = 256  # that are looked at on each level of an index


class LocalImage(NamedTuple):
    """An image as it is stored: ``top`` is an index or a manifest.

    ``names`` are the names of the same image in its store, first the one that it was found by.
    """

    source: ImageSource
    blobs: Source
    top: Descriptor
    names: tuple[str, ...] = ()


@contextmanager
def located(text: str, options: Options, *, expand: bool = True) -> Iterator[LocalImage | None]:
    """Yield the image that ``text`` names: in an archive, a local store, or bundled; None if none.

    The order of places is that of ``lookup.find``; with ``expand`` a name of no local image is
    expanded by ``registries.toml``. A name with the digest of a manifest in an index
    is that manifest. Raises UnsupportedImage for a file that is not an archive, unless its format
    makes an image of several files.
    """
    bundle = lookup.bundled_store()
    if lookup.could_be_file(text):
        with opened(text) as file:
            if file and (file_format := _format_of_files(file, text)):
                with _stored_files(file, text, file_format) as image:
                    yield image
                return
            if file:
                archive = _archive(file, text)
                yield LocalImage(ImageSource.ARCHIVE, archive, only(archive, text))
                return
    for store in lookup.stores(options):
        with store.layout.lease():  # nothing is removed while it is read
            if stored := lookup.look_up(store, text, options) or _index_of(store, text):
                yield _stored(ImageSource.STORE, store, text, *stored)
                return
    if bundled := bundle.find(text):
        yield _stored(ImageSource.BUNDLED, bundle, text, *bundled)
    elif expand and not has_host(text) and (name := lookup.expanded(text, options)):
        with located(name, options) as image:
            yield image
    else:
        yield None


def _index_of(store: Store, text: str) -> tuple[str, Descriptor] | None:
    """Return the index in the repository of ``text`` that leads to its digest, for any machine."""
    name, _, pin = text.partition("@")
    try:
        for other in store.names() if pin else ():
            top = store.named(other) if same_repository(other, name) else None
            if top and _below(store, top, pin):
                return other, top
    except ImageError as error:
        _log.info("%s", error)
    return None


def _below(store: Store, top: Descriptor, digest: str) -> Descriptor | None:
    """Return the stored manifest of that digest that ``top`` leads to; others may be missing."""
    level, seen = [top], {top.digest}
    for _ in range(MAX_DEPTH + 1):
        for descriptor in level:
            if descriptor.digest == digest and store.layout.has_file(descriptor):
                return descriptor
        below = [child for parent in level for child in _children(store, parent)]
        level = [child for child in below if child.digest not in seen][:_MAX_MANIFESTS]
        seen.update(child.digest for child in level)
    return None


def _children(store: Store, descriptor: Descriptor) -> tuple[Descriptor, ...]:
    """Return the manifests in an index; none if it is none, or cannot be read."""
    try:
        document = read_document(descriptor, store.layout.read, store.layout.where, MAX_MOVED)
    except ImageError as error:
        _log.info("%s", error)
        return ()
    return document.manifests if isinstance(document, Index) else ()


def not_here(text: str, options: Options) -> ImageNotFound:
    """Return the error for a name of no local image."""
    name = text if has_host(text) else lookup.expanded(text, options)
    if not name:
        return lookup.not_found(text, options)
    error = ImageNotFound(f"{safe(name)}: not found locally")
    error.add_note(lookup.LISTS)
    return error


def _format_of_files(file: BinaryIO, text: str) -> FileFormat | None:
    """Return the format of a file that is part of an image of several files."""
    head = file.read(512)
    file.seek(0)
    if head.startswith(ELF_MAGIC) or is_tar(head):
        return None
    file_format = detect_file(text, head)
    return file_format if file_format and file_format.image else None


@contextmanager
def _stored_files(file: BinaryIO, text: str, file_format: FileFormat) -> Iterator[LocalImage]:
    """Yield the image of a file and of those beside it, in a layout that is removed afterwards."""
    from tempfile import TemporaryDirectory  # noqa: PLC0415 - few images are files

    assert file_format.image
    data = file.read(MAX_IMAGE + 1)
    if len(data) > MAX_IMAGE:
        raise UnsupportedImage(f"{safe(text[:200])}: more than {MAX_IMAGE} bytes")
    manifest, blobs = file_format.image(text, data)
    with TemporaryDirectory(prefix="beepy-") as directory:
        store = Store(Path(directory))
        for blob in (*blobs.values(), manifest):
            store.layout.add_blob(blob, descriptor_of(blob))
        yield LocalImage(ImageSource.FILE, store.layout, descriptor_of(manifest, OCI_MANIFEST))


def _archive(file: BinaryIO, text: str) -> Archive:
    head = file.read(512)
    if is_tar(head):
        return Archive(file, text)
    where = safe(text[:200])
    if head.startswith(ELF_MAGIC):
        raise UnsupportedImage(f"{where}: an ELF object, not an image or an OCI archive")
    from beepy.oci.formats import unsupported  # noqa: PLC0415 - only on the way to an error

    raise unsupported.file(head, text)


def _stored(source: ImageSource, store: Store, text: str, name: str, top: Descriptor) -> LocalImage:
    others = [other for other in store.names_of(top.digest) if other != name]
    pin = text.partition("@")[2]
    if pin and (child := _below(store, top, pin)):
        top = child
    return LocalImage(source, store.layout, top, (name, *others))


def repositories(target: Reference, options: Options) -> Mapping[str, str]:
    """Return other repositories of the target's registry, by the digests of blobs in them.

    They are those that the local stores have references to.
    """
    by_digest: dict[str, str] = {}
    for store in lookup.stores(options):
        for name in _names_at(store, target):
            repository = parse(name).repository
            for blob in _blobs(store, name):
                by_digest.setdefault(blob.digest, repository)
    return by_digest


def _names_at(store: Store, target: Reference) -> list[str]:
    """Return the names of a store, at most 32, in other repositories of the target's registry."""
    try:
        names = [name for name in store.names() if has_host(name) and is_reference(name)]
    except ImageError as error:
        _log.info("%s", error)
        return []
    references = [(name, parse(name)) for name in names]
    return [
        name
        for name, reference in references
        if reference.registry == target.registry and reference.repository != target.repository
    ][:_MAX_NAMES]


def _documents(store: Store, top: Descriptor) -> Iterator[tuple[Descriptor, Manifest | Index]]:
    return walk(top, store.layout.read, store.layout.where, MAX_MOVED)


def _blobs(store: Store, name: str) -> Iterator[Descriptor]:
    """Yield the blobs of a stored image, as far as its manifests can be read."""
    try:
        descriptor = store.named(name)
        for _, document in _documents(store, descriptor) if descriptor else ():
            yield from document.blobs if isinstance(document, Manifest) else ()
    except ImageError as error:
        _log.info("%s", error)
