"""Which blobs are needed: by a store, or by some of its images."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from beepy.errors import DigestMismatch, StoreError, UnsupportedImage
from beepy.log import Log
from beepy.oci.descriptor import Descriptor, is_digest
from beepy.oci.layout import IndexEntry, Layout, name_of
from beepy.oci.links import MANIFESTS, links, may_be_manifest
from beepy.oci.stored_referrers import Referrer, Source, referring
from beepy.text import excerpt

_log = Log(__name__)


class Reachable(NamedTuple):
    """The blobs that something leads to, by digest; the entries of the index that lead to them.

    The other entries are referrers of manifests that nothing leads to.
    """

    blobs: dict[str, Descriptor]
    entries: tuple[IndexEntry, ...]


def key_of(entry: IndexEntry) -> tuple[str | None, str | None]:
    """Return what tells the entries of an index apart, of any reading of it."""
    digest = entry.get("digest")
    return name_of(entry), digest if isinstance(digest, str) else None


def reachable(
    layout: Layout, entries: Sequence[IndexEntry], young: frozenset[str] = frozenset()
) -> Reachable:
    """Return what the entries of a layout's index lead to.

    An image keeps its referrers; those of others are kept if their digests are in ``young``.
    Missing and damaged manifests lead nowhere. Raises StoreError for what cannot be followed.
    """
    referrers = [
        referrer
        for referrer in referring(layout, entries)
        if referrer.entry.get("digest") not in young
    ]
    others = {id(referrer.entry) for referrer in referrers}
    roots = [entry for entry in entries if id(entry) not in others]
    return _walk(layout, roots, referrers, lambda manifest: _parts(layout, manifest))


def closure(source: Source, images: Sequence[IndexEntry]) -> Reachable:
    """Return what these images consist of, and their referrers.

    An index may lack manifests, of other platforms, but not all of them; any other missing blob
    raises StoreError, of an archive UnsupportedImage. Raises DigestMismatch for a damaged manifest.
    """
    referrers = referring(source, source.entries())
    needed = _walk(source, images, referrers, lambda manifest: _all_parts(source, manifest))
    for blob in needed.blobs.values():
        if blob.media_type in MANIFESTS and not may_be_manifest(blob):
            raise UnsupportedImage(f"{source.where}: {blob.digest}: manifest of {blob.size} bytes")
    return needed


def _walk(
    source: Source,
    roots: Iterable[IndexEntry],
    referrers: Iterable[Referrer],
    parts: Callable[[Descriptor], Iterable[Descriptor]],
) -> Reachable:
    blobs: dict[str, Descriptor] = {}
    followed: set[str] = set()
    entries = list(roots)
    keys = set(map(key_of, entries))
    waiting = [referrer for referrer in referrers if key_of(referrer.entry) not in keys]
    descriptors = [_top(source, entry) for entry in entries]
    while descriptors:
        while descriptors:
            descriptor = descriptors.pop()
            blobs.setdefault(descriptor.digest, descriptor)
            if descriptor.digest not in followed and may_be_manifest(descriptor):
                followed.add(descriptor.digest)
                descriptors += parts(descriptor)
        referring_entries = [item.entry for item in waiting if item.subject in blobs]
        waiting = [item for item in waiting if item.subject not in blobs]
        entries += referring_entries
        descriptors = [_top(source, entry) for entry in referring_entries]
    return Reachable(blobs, tuple(entries))


def _top(source: Source, entry: IndexEntry) -> Descriptor:
    """Return the descriptor of an entry, which is a manifest whatever its media type is."""
    digest, size = entry.get("digest"), entry.get("size")
    if isinstance(digest, str) and is_digest(digest) and isinstance(size, int) and size >= 0:
        return Descriptor("", digest, size)
    raise StoreError(
        f"{source.where}: index.json: digest '{excerpt(digest)}', size {excerpt(size)}: "
        "what it leads to is unknown"
    )


def _parts(layout: Layout, manifest: Descriptor) -> tuple[Descriptor, ...]:
    try:
        return links(layout.read(manifest)).descriptors
    except DigestMismatch as error:
        _log.warning("%s", error)
        return ()
    except StoreError as error:
        if error.__cause__:  # it exists, but cannot be read: it may lead to anything
            raise
        return ()


def _all_parts(source: Source, manifest: Descriptor) -> tuple[Descriptor, ...]:
    manifest_links = links(source.read(manifest))
    missing = [part for part in manifest_links.descriptors if not source.has_file(part)]
    if missing and (not manifest_links.is_index or len(missing) == len(manifest_links.descriptors)):
        raise source.not_found(missing[0])
    return tuple(part for part in manifest_links.descriptors if part not in missing)
