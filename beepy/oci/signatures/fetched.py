"""The signatures that a registry has of one image: fetched, and then kept in a store."""

from collections.abc import Callable, Iterable
from typing import Final

from beepy.errors import ImageError, ImageNotFound, UnsupportedImage
from beepy.log import Log
from beepy.oci import referrers
from beepy.oci.client import Client
from beepy.oci.descriptor import Descriptor
from beepy.oci.links import links
from beepy.oci.manifest import Manifest, Read, parse
from beepy.oci.signatures.bundle import BUNDLE
from beepy.oci.signatures.holder import MAX_SIGNATURE
from beepy.oci.store import Store

_log = Log(__name__)

_MAX_HOLDERS: Final = 32
_MAX_HELD: Final = 16 << 20  # bytes of all signatures


class FetchedSignatures:
    """Signatures in memory, as the image may still be refused: then the store stays as it was.

    ``repository`` is the name with the registry. ``fetch_tagged`` returns a manifest by its tag,
    ``fetch`` a blob or a manifest, verified.
    """

    def __init__(
        self,
        client: Client,
        repository: str,
        fetch_tagged: Callable[[str], tuple[Descriptor, bytes]],
        fetch: Read,
    ) -> None:
        self.blobs: dict[str, bytes] = {}
        self._client = client
        self._repository = repository
        self._fetch_tagged = fetch_tagged
        self._fetch = fetch
        self._holders: dict[str, tuple[tuple[Descriptor, str], ...]] = {}

    def find(self, digest: str) -> list[Descriptor]:
        """Return the manifests that are listed as signatures of ``digest``.

        They are in ``blobs`` with their layers, unless these are missing, damaged or too large.
        Raises RegistryError, and UnsupportedImage for a malformed list.
        """
        if digest not in self._holders:
            holders = self._list(digest)
            for holder, _ in holders:
                try:
                    self._take_all(holder)
                except ImageError as error:  # raised again for those who need it
                    _log.info("%s", error)
            self._holders[digest] = holders
        return [holder for holder, _ in self._holders[digest]]

    def keep(self, store: Store, digests: Iterable[str]) -> None:
        """Write the signatures of ``digests`` to a store; warn of those that are not sound.

        Raises StoreError.
        """
        for digest in digests:
            try:
                self.find(digest)
            except ImageError as error:
                _log.warning("%s", error)
                continue
            for holder, name in self._holders[digest]:
                try:
                    blobs = self._take_all(holder)
                    if not name:
                        self._check_subject(holder, digest)
                except ImageError as error:
                    _log.warning("%s", error)
                    continue
                for blob in blobs:
                    store.layout.add_blob(self.blobs[blob.digest], blob)
                store.add_referrer(self.blobs[holder.digest], holder.media_type, name)

    def _list(self, digest: str) -> tuple[tuple[Descriptor, str], ...]:
        """Return manifests, each with the name that it has in a store: "" for a referrer."""
        bundles = referrers.of_registry(self._client, digest, BUNDLE)[:_MAX_HOLDERS]
        holders = [(bundle, "") for bundle in bundles]
        tag = f"{referrers.fallback_tag(digest)}.sig"
        try:
            tagged, data = self._fetch_tagged(tag)
        except ImageNotFound:
            return tuple(holders)
        except ImageError as error:  # the bundles may do
            _log.warning("%s", error)
            return tuple(holders)
        self.blobs[tagged.digest] = data
        return (*holders, (tagged, f"{self._repository}:{tag}"))

    def _take_all(self, holder: Descriptor) -> tuple[Descriptor, ...]:
        """Fetch a manifest and its blobs; return the descriptors of these."""
        manifest = parse(self._take(holder), self._client.where, holder.media_type)
        if not isinstance(manifest, Manifest):
            raise UnsupportedImage(f"{self._client.where}: {holder.digest}: not a signature")
        for blob in manifest.blobs:
            self._take(blob)
        return manifest.blobs

    def _check_subject(self, holder: Descriptor, digest: str) -> None:
        """Raise UnsupportedImage for what would be a signature of another image in the store."""
        subject = links(self.blobs[holder.digest]).subject
        if subject != digest:
            where = f"{self._client.where}: {holder.digest}"
            raise UnsupportedImage(f"{where}: refers to {subject or 'no image'}, not to {digest}")

    def _take(self, descriptor: Descriptor) -> bytes:
        if descriptor.digest not in self.blobs:
            held = sum(map(len, self.blobs.values()))
            if descriptor.size > MAX_SIGNATURE or held + descriptor.size > _MAX_HELD:
                where = f"{self._client.where}: {descriptor.digest}"
                raise UnsupportedImage(f"{where}: too large for a signature")
            self.blobs[descriptor.digest] = self._fetch(descriptor)
        return self.blobs[descriptor.digest]
