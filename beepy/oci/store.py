"""Named images in an image layout: look-up, listing, and giving names."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from beepy.errors import ImageError, ImageNotFound, UnsupportedImage
from beepy.log import Log
from beepy.oci.admission import ImageSource, admit, candidate
from beepy.oci.descriptor import Descriptor, descriptor_of, parse_descriptor
from beepy.oci.formats import bee
from beepy.oci.image import Image
from beepy.oci.layout import IndexEntry, Layout, name_of
from beepy.oci.manifest import (
    CONTAINERD_NAME,
    CREATED,
    DESCRIPTION,
    OCI_MANIFEST,
    REF_NAME,
    Index,
    parse,
    resolve,
)
from beepy.oci.reference import same, same_repository
from beepy.text import excerpt, safe

if TYPE_CHECKING:
    from beepy.oci.policy import Policy  # most runs have none

_log = Log(__name__)


class Entry(NamedTuple):
    """One named image of a store; ``size`` counts manifest, config and layers. None is unknown.

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
    """The images of the layout in ``path``.

    See ``Layout`` for ``is_ours``, and for what exists on disk.
    """

    def __init__(self, path: Path, *, is_ours: bool = False) -> None:
        self.layout = Layout(path, is_ours=is_ours)
        self._source = ImageSource.BUNDLED if is_ours else ImageSource.STORE

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r})"

    @property
    def path(self) -> Path:
        """The layout's directory."""
        return self.layout.path

    def list(self) -> tuple[Entry, ...]:
        """Return the named images, in the index's order; signatures are none.

        Raises StoreError for what is not a layout.
        """
        return tuple(self._entry(name, descriptor) for name, descriptor in self._images())

    def names(self) -> tuple[str, ...]:
        """Return the names only; no blob is read."""
        return tuple(name for name, _ in self._images())

    def names_of(self, digest: str) -> tuple[str, ...]:
        """Return the names of the manifest or index that has this digest."""
        return tuple(name for name, descriptor in self._named() if descriptor.digest == digest)

    def named(self, name: str) -> Descriptor | None:
        """Return the descriptor of exactly this name, or of this name without its digest.

        An index may give an image a name with another digest: that one is not found.
        """
        bare, _, pin = name.partition("@")
        named = [descriptor for stored, descriptor in self._named()[::-1] if stored in (name, bare)]
        return next((entry for entry in named if not pin or entry.digest == pin), None)

    def find(self, name: str) -> tuple[str, Descriptor] | None:
        """Return the stored name and descriptor: verbatim first, then by normalised reference.

        A name with a digest finds an image that has this digest, or an index that leads to a
        manifest with it, whatever name the index gives it; its tag may be another one.
        """
        named = self._named()[::-1]
        if pin := name.partition("@")[2]:
            near = [item for item in named if item[0] == name or same_repository(item[0], name)]
            exact = next((item for item in near if item[1].digest == pin), None)
            return exact or next((item for item in near if self._leads_to(item[1], pin)), None)
        verbatim = next((item for item in named if item[0] == name), None)
        return verbatim or next((item for item in named if same(item[0], name)), None)

    def get(self, name: str) -> Image:
        """Return the image ``name``; raise ImageNotFound, or DigestMismatch if it is damaged."""
        entry = self.find(name)
        if entry is None:
            raise ImageNotFound(f"{safe(name)}: not in {self.layout.where}")
        return self.load(name, entry[1])

    def load(self, name: str, descriptor: Descriptor, policy: "Policy | None" = None) -> Image:
        """Return the image that ``find`` gave for ``name``.

        Raises DigestMismatch if it is damaged, UntrustedImage if the policy refuses it.
        """
        stored = candidate(name, self._source, descriptor, self.layout.read, self._find_signatures)
        return admit(stored, name.partition("@")[2], policy)

    def put(
        self,
        name: str,
        manifest: bytes,
        media_type: str = "",
        platform: Mapping[str, str] | None = None,
    ) -> str:
        """Write a manifest, whose blobs exist already, and name it; return its digest.

        A name that exists is moved. ``platform`` goes into the index's descriptor verbatim. Raises
        UnsupportedImage for what is neither a manifest nor an index.
        """
        media_type = parse(manifest, excerpt(name, 200), media_type).media_type
        descriptor = descriptor_of(manifest, media_type)
        with self.layout.lease():
            self.layout.add_blob(manifest, descriptor)
            self.set_name(name, descriptor, platform)
        return descriptor.digest

    def set_name(
        self, name: str, descriptor: Descriptor, platform: Mapping[str, str] | None = None
    ) -> None:
        """Give a manifest that is in the store a name, which is taken from any other."""
        entry: IndexEntry = {**descriptor.entry(), "annotations": {REF_NAME: name}}
        if platform:
            entry["platform"] = dict(platform)
        self._set_entry(name, entry)

    def add_referrer(self, manifest: bytes, media_type: str = "", name: str = "") -> Descriptor:
        """Write a manifest that refers to another one, such as a signature; return its descriptor.

        Its blobs exist already. It gets no name, but an entry of the index, as oras writes it:
        ``stored_referrers`` finds it by its ``subject``. ``name`` is the digest's tag of one that
        has no subject, as cosign's old signatures: ``REPOSITORY:sha256-HEX.sig``. Raises
        UnsupportedImage if there is neither.
        """
        from beepy.oci.links import links, subject_of_tag  # noqa: PLC0415 - not for a run

        where = excerpt(name, 200) or "referrer"
        media_type = parse(manifest, where, media_type).media_type
        if not (subject_of_tag(name) if name else links(manifest).subject):
            raise UnsupportedImage(f"{where}: refers to no manifest: it has no subject")
        descriptor = descriptor_of(manifest, media_type)
        with self.layout.lease():
            self.layout.add_blob(manifest, descriptor)
            if name:
                self.set_name(name, descriptor)
            else:
                self.layout.replace_entries(lambda entries: _with_referrer(entries, descriptor))
        return descriptor

    def add_image(
        self,
        name: str,
        program: bytes,
        annotations: Mapping[str, str],
        platform: Mapping[str, str] | None = None,
        artifact_type: str = "",
    ) -> str:
        """Write one program as an image in bee's format; return the manifest's digest."""
        manifest = bee.write_manifest(program, annotations, artifact_type)
        with self.layout.lease():
            for data in (bee.CONFIG_BODY, program):
                self.layout.add_blob(data, descriptor_of(data))
            return self.put(name, manifest, OCI_MANIFEST, platform)

    def tag(self, source: str, target: str) -> str:
        """Give the image ``source`` a second name, and return its digest.

        All else in its index entry is kept.
        """
        with self.layout.lease():
            stored = self.find(source)
            if stored is None:
                raise ImageNotFound(f"{safe(source)}: not in {self.layout.where}")
            self._set_entry(target, renamed(self.entry(*stored), target))
        return stored[1].digest

    def entry(self, name: str, descriptor: Descriptor) -> IndexEntry:
        """Return the index entry that ``find`` gave as name and descriptor.

        Raises ImageNotFound if it has been removed since.
        """
        for entry in self.layout.entries():
            if (name_of(entry), entry.get("digest")) == (name, descriptor.digest):
                return entry
        raise ImageNotFound(f"{safe(name)}: not in {self.layout.where}")

    def _set_entry(self, name: str, entry: IndexEntry) -> None:
        self.layout.replace_entries(
            lambda entries: [*(old for old in entries if name_of(old) != name), entry]
        )

    def _find_signatures(self, digest: str) -> Iterable[Descriptor]:
        from beepy.oci.signatures import stored  # noqa: PLC0415 - few runs verify

        return stored.signatures(self.layout, digest)

    def _images(self) -> Iterator[tuple[str, Descriptor]]:
        from beepy.oci.links import subject_of_tag  # noqa: PLC0415 - not for a run

        return (item for item in self._named() if not subject_of_tag(item[0]))

    def _named(self) -> tuple[tuple[str, Descriptor], ...]:
        """Return the entries with a name and a sound descriptor; warn of unsound ones."""
        named = []
        for entry in self.layout.entries():
            name = name_of(entry)
            if name is None:
                continue
            try:
                where = f"{self.layout.where}: {excerpt(name)}"
                named.append((name, parse_descriptor(entry, where)))
            except UnsupportedImage as error:
                _log.warning("%s", error)
        return tuple(named)

    def _leads_to(self, descriptor: Descriptor, digest: str) -> bool:
        """Tell whether an index's manifest for this machine has that digest."""
        where, read = self.layout.where, self.layout.read
        try:
            index = parse(read(descriptor), where, descriptor.media_type)
            if not isinstance(index, Index) or digest not in {m.digest for m in index.manifests}:
                return False
            return resolve(descriptor, read, where)[0].digest == digest
        except ImageError:
            return False

    def _entry(self, name: str, descriptor: Descriptor) -> Entry:
        size = description = created = None
        partial = False
        try:
            resolved, manifest = resolve(descriptor, self.layout.read, excerpt(name))
        except ImageError as error:
            _log.warning("%s", error)
        else:
            size = resolved.size + sum(blob.size for blob in manifest.blobs)
            description = manifest.annotations.get(DESCRIPTION)
            created = manifest.annotations.get(CREATED)
            partial = not all(map(self.layout.has_file, manifest.blobs))
        return Entry(
            name=name,
            description=description,
            digest=descriptor.digest,
            size=size,
            created=created,
            platform=descriptor.platform or None,
            partial=partial,
        )


def renamed(entry: IndexEntry, name: str) -> IndexEntry:
    """Return an index entry with another name, and no second one; all else is kept."""
    annotations = entry.get("annotations")
    kept = dict(annotations) if isinstance(annotations, dict) else {}
    kept.pop(CONTAINERD_NAME, None)
    return {**entry, "annotations": {**kept, REF_NAME: name}}


def _with_referrer(
    entries: tuple[IndexEntry, ...], descriptor: Descriptor
) -> tuple[IndexEntry, ...]:
    if any(entry.get("digest") == descriptor.digest for entry in entries):
        return entries
    return (*entries, descriptor.entry())
