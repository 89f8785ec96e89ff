"""A pull: from a registry into a store, or into memory if the store cannot be written."""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import BytesIO

from beepy.errors import (
    DigestMismatch,
    ImageNotFound,
    RegistryError,
    StoreError,
    UnsupportedImage,
)
from beepy.log import Log
from beepy.oci import answers
from beepy.oci.admission import ImageSource, admit, candidate
from beepy.oci.client import Client
from beepy.oci.descriptor import (
    MAX_IMAGE,
    MAX_MANIFEST,
    Descriptor,
    descriptor_of,
    is_digest,
    verified,
)
from beepy.oci.image import Image
from beepy.oci.layout import is_unwritable
from beepy.oci.manifest import MEDIA_TYPES, Manifest, parse, walk
from beepy.oci.options import Options
from beepy.oci.progress import Progress, reported
from beepy.oci.reference import Reference
from beepy.oci.session import host_of
from beepy.oci.signatures.fetched import FetchedSignatures
from beepy.oci.store import Store
from beepy.text import excerpt, safe

_log = Log(__name__)

_OTHER_DIGEST = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[0-9a-zA-Z=_-]{32,}")


def pull(
    reference: Reference,
    name: str,
    store: Store,
    options: Options,
    *,
    keep: bool = True,
    progress: Progress | None = None,
) -> Image:
    """Fetch an image into ``store`` as ``name`` and return it.

    Blobs come first, then the manifest, then the name: a pull that fails leaves the names as they
    were. With ``keep`` all layers and the signatures are fetched, of an index the layers for all
    machines. Without, those that the image's format uses on this one (then the entry is partial,
    until a pull fetches the others), signatures only for a policy, and a store that cannot be
    written is only warned of: the image, checked like any other, stays in memory. ``progress`` is
    called with each blob that is fetched. Raises ImageNotFound, UntrustedImage and UnsupportedImage
    (before any layer is fetched), DigestMismatch, RegistryError or StoreError.
    """
    with Client(reference, options) as client, store.layout.lease():
        top, data = fetch_manifest(client, reference.digest or reference.tag or "latest")
        transfer = _Transfer(client, reference, name, store, progress, keep=keep)
        transfer.hold(top, data)
        offered = candidate(
            name, ImageSource.REGISTRY, top, transfer.read, transfer.signatures.find
        )
        assert offered.manifest is not None  # only a file has none
        manifests = transfer.manifests(top) if keep else [offered.manifest]
        image = admit(offered, reference.digest or "", options.policy)
        for manifest in manifests:
            transfer.complete(manifest)
        if keep or options.policy:
            transfer.keep_signatures({top.digest, offered.descriptor.digest})
        transfer.publish(top)
    _log.info("%s: pulled %s", reference, top.digest)
    return image


class _Transfer:
    """Brings one image's blobs into the store, or into memory after the store has refused one.

    Each blob is hashed once, while it comes.
    """

    def __init__(
        self,
        client: Client,
        reference: Reference,
        name: str,
        store: Store,
        progress: Progress | None,
        *,
        keep: bool,
    ) -> None:
        self.signatures = FetchedSignatures(
            client, reference.name, partial(fetch_manifest, client), partial(_fetch, client)
        )
        self._client = client
        self._progress = progress
        self._name = name
        self._store = store
        self._keep = keep
        self._is_storing = True
        self._manifests: dict[str, tuple[Descriptor, bytes]] = {}  # until ``publish``
        self._stored: set[str] = (
            set()
        )  # digests of what this pull has read from the store, or written

    def hold(self, descriptor: Descriptor, manifest: bytes) -> None:
        """Keep a manifest that was verified in memory: the image may still be refused."""
        self._manifests[descriptor.digest] = descriptor, manifest

    def read(self, descriptor: Descriptor) -> bytes:
        """Return a blob, verified; unless it is a manifest, it is in the store too.

        If that cannot be written, nothing is.
        """
        if descriptor.digest in self._manifests:
            return self._manifests[descriptor.digest][1]
        if descriptor.digest in self.signatures.blobs:
            return self.signatures.blobs[descriptor.digest]
        if descriptor.media_type in MEDIA_TYPES:
            return self._read_manifest(descriptor)
        if self._is_storing:
            try:
                return self._read_stored(descriptor)
            except StoreError as error:
                self._give_up(error)
        return _fetch(self._client, descriptor, self._progress)

    def manifests(self, top: Descriptor) -> list[Manifest]:
        """Return the manifests that ``top`` leads to; raise UnsupportedImage if they are too large.

        An index and what it leads to are held to the limit of one image.
        """
        documents = [document for _, document in walk(top, self.read, excerpt(self._name, 200))]
        manifests = [document for document in documents if isinstance(document, Manifest)]
        blobs = {blob.digest: blob.size for manifest in manifests for blob in manifest.blobs}
        if (size := sum(blobs.values())) > MAX_IMAGE:
            raise UnsupportedImage(
                f"{self._client.where}: {size} bytes of layers for all platforms,"
                f" at most {MAX_IMAGE} are allowed"
            )
        return manifests

    def complete(self, manifest: Manifest) -> None:
        """Fetch what the image's format did not read, without holding it in memory."""
        for layer in manifest.layers if self._keep else ():
            self._store_blob(layer)
        config = manifest.config
        if config and self._is_storing and (self._keep or config.size <= MAX_MANIFEST):
            try:
                self._store_blob(config)
            except ImageNotFound as error:  # bee needs it, beepy does not
                _log.warning("%s", error)

    def keep_signatures(self, digests: Iterable[str]) -> None:
        """Write the signatures of ``digests`` that the registry has."""
        if not self._is_storing:
            return
        try:
            self.signatures.keep(self._store, digests)
        except StoreError as error:
            self._give_up(error)

    def publish(self, top: Descriptor) -> None:
        """Write the manifests, whose blobs are in the store, and name ``top``."""
        if not self._is_storing:
            return
        try:
            for descriptor, manifest in self._manifests.values():
                self._store.layout.add_blob(manifest, descriptor)
            self._store.set_name(self._name, top)
        except StoreError as error:
            self._give_up(error)

    def _read_manifest(self, descriptor: Descriptor) -> bytes:
        if self._is_storing:
            with suppress(DigestMismatch, StoreError):  # missing or damaged
                return self._store.layout.read(descriptor)
        data = _child(self._client, descriptor)
        self.hold(descriptor, data)
        return data

    def _read_stored(self, descriptor: Descriptor) -> bytes:
        layout = self._store.layout
        try:
            data = layout.read(descriptor)
        except (DigestMismatch, StoreError):  # missing or damaged
            buffer = BytesIO()
            with _blob(self._client, descriptor, self._progress) as chunks:
                layout.add_stream(_copied(chunks, buffer), descriptor)
            data = buffer.getvalue()  # of CPython's BytesIO this is no copy
        self._stored.add(descriptor.digest)
        return data

    def _store_blob(self, descriptor: Descriptor) -> None:
        layout = self._store.layout
        if descriptor.digest in self._stored or layout.has(descriptor):
            return
        try:
            with _blob(self._client, descriptor, self._progress) as chunks:
                layout.add_stream(chunks, descriptor)
        except StoreError as error:
            self._give_up(error)

    def _give_up(self, error: StoreError) -> None:
        """Go on without the store, if this pull may; otherwise raise ``error``."""
        if self._keep or not is_unwritable(error):
            raise error
        name = safe(self._name)
        _log.warning("%s: %s is not kept; --storage DIR names another store", error, name)
        self._is_storing = False


def fetch_manifest(client: Client, tag: str) -> tuple[Descriptor, bytes]:
    """Return a manifest or index by tag or digest, and its descriptor.

    It must have the digest that ``tag`` is, and the one that the registry's Docker-Content-Digest
    says.
    """
    headers = {"Accept": ", ".join(MEDIA_TYPES)}
    with client.get(client.manifest_url(tag), "manifest", headers) as response:
        data = client.http.read(response, MAX_MANIFEST, "manifest")
    where, content_type = client.where, response.headers.get("Content-Type", "")
    if page := answers.page(data, content_type):
        raise RegistryError(f"{where}: manifest: {host_of(response)} answers with {page}")
    descriptor = descriptor_of(data)
    named = response.headers.get("Docker-Content-Digest", descriptor.digest)
    if not is_digest(named) and not _OTHER_DIGEST.fullmatch(named):
        raise RegistryError(f"{where}: Docker-Content-Digest '{excerpt(named)}': not a digest")
    for expected in (tag, named):
        if is_digest(expected) and expected != descriptor.digest:
            raise DigestMismatch(f"{where}: content is {descriptor.digest}, expected {expected}")
    media_type = content_type.partition(";")[0].strip()
    parsed = parse(data, where, media_type if media_type in MEDIA_TYPES else "")
    return descriptor._replace(media_type=parsed.media_type), data


def _fetch(client: Client, descriptor: Descriptor, progress: Progress | None = None) -> bytes:
    """Return a blob or a manifest, verified."""
    if descriptor.media_type in MEDIA_TYPES:
        return _child(client, descriptor)
    with _blob(client, descriptor, progress) as chunks:
        return b"".join(chunks)


def _child(client: Client, descriptor: Descriptor) -> bytes:
    """Return a manifest that an index names."""
    actual, data = fetch_manifest(client, descriptor.digest)
    if actual.size != descriptor.size:
        raise DigestMismatch(
            f"{client.where}: {descriptor.digest}: {actual.size} bytes, expected {descriptor.size}"
        )
    return data


@contextmanager
def _blob(
    client: Client, descriptor: Descriptor, progress: Progress | None
) -> Iterator[Iterator[bytes]]:
    """Yield a blob's chunks, verified when they have all been read."""
    url, name = client.blob_url(descriptor.digest), f"blob {descriptor.digest}"
    with client.get(url, name, size=descriptor.size) as response:
        chunks = reported(client.http.chunks(response), descriptor, progress)
        try:
            yield verified(chunks, descriptor, client.where)
        except DigestMismatch as error:
            content_type = excerpt(response.headers.get("Content-Type", ""), 60)
            if content_type.startswith("text/"):
                error.add_note(f"{host_of(response)} answers with {content_type}")
            raise
    _log.info("%s: %s: fetched %d bytes", client.where, descriptor.digest, descriptor.size)


def _copied(chunks: Iterable[bytes], buffer: BytesIO) -> Iterator[bytes]:
    for chunk in chunks:
        buffer.write(chunk)
        yield chunk
