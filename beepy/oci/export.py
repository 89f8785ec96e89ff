"""Copy one image out of a layout into another one, with all that belongs to it."""

from collections.abc import Iterator

from beepy.errors import DigestMismatch, StoreError, UnsupportedImage
from beepy.oci.descriptor import MAX_MANIFEST, Descriptor, parse_descriptor, parse_object
from beepy.oci.layout import IndexEntry, Layout
from beepy.oci.manifest import MAX_DEPTH, Index, parse
from beepy.oci.store import renamed


def export(source: Layout, top: Descriptor, target: Layout, name: str) -> list[Descriptor]:
    """Copy the image or index ``top`` as ``name``; return the manifests that ``source`` lacks.

    An index need not be complete: pulls fetch the manifest of one platform. Referrers of what was
    copied (manifests with it as ``subject``) are copied too, if their blobs are there. Raises
    StoreError if a blob is missing, of all manifests of an index, and DigestMismatch.
    """
    copied: set[str] = set()
    missing = _copy(source, top, target, copied)
    entries = [_named(source, top, name)]
    for entry, referrer in _referrers(source, copied):
        if not _copy(source, referrer, target, set()):
            entries.append(entry)
    target.replace_entries(lambda _: entries)
    return missing


def _copy(
    source: Layout, top: Descriptor, target: Layout, copied: set[str], depth: int = 0
) -> list[Descriptor]:
    """Copy a manifest after its blobs, or an index after its manifests; return missing ones."""
    if top.digest in copied:
        return []
    if depth > MAX_DEPTH:
        raise UnsupportedImage(f"{source.where}: indexes nested more than {MAX_DEPTH} deep")
    data = source.read(top)
    document = parse(data, source.where, top.media_type)
    missing: list[Descriptor] = []
    if isinstance(document, Index):
        lacking: StoreError | None = None
        for child in document.manifests:
            try:
                missing += _copy(source, child, target, copied, depth + 1)
            except StoreError as error:
                missing.append(child)
                lacking = error
        if lacking and len(missing) == len(document.manifests):
            raise lacking
    else:
        for blob in document.blobs:
            target.add_blob(source.read(blob), blob)
    target.add_blob(data, top)
    copied.add(top.digest)
    return missing


def _named(source: Layout, top: Descriptor, name: str) -> IndexEntry:
    """Return the index's entry of ``top`` under another name, with its other members."""
    entry = next((entry for entry in source.entries() if entry.get("digest") == top.digest), {})
    described = {"mediaType": top.media_type, "digest": top.digest, "size": top.size}
    return renamed({**entry, **described}, name)


def _referrers(source: Layout, digests: set[str]) -> Iterator[tuple[IndexEntry, Descriptor]]:
    """Yield the entries whose manifest has one of ``digests`` as its subject."""
    seen = set(digests)
    for entry in source.entries():
        try:
            descriptor = parse_descriptor(entry, source.where)
            if descriptor.digest in seen or descriptor.size > MAX_MANIFEST:
                continue
            subject = parse_object(source.read(descriptor), source.where).get("subject")
        except (UnsupportedImage, StoreError, DigestMismatch):  # other images may be damaged
            continue
        seen.add(descriptor.digest)
        if isinstance(subject, dict) and subject.get("digest") in digests:
            yield entry, descriptor
