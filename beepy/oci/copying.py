"""Copy images with all that belongs to them: between stores, and from an archive."""

import os

from beepy.errors import ImageError, StoreError, UsageError, restated
from beepy.oci import garbage, lookup
from beepy.oci.descriptor import Descriptor
from beepy.oci.layout import IndexEntry, name_of
from beepy.oci.options import Options
from beepy.oci.reachable import Reachable, closure, key_of
from beepy.oci.reference import has_host, parse
from beepy.oci.store import Store, renamed
from beepy.oci.stored_referrers import Source
from beepy.text import safe


def tag(source: str, target: str, options: Options) -> str:
    """Give an image of the local stores, or a bundled one, another name; return its digest.

    One that is not in beepy's own store is copied there, with what refers to it. Raises UsageError
    and InvalidReference for ``target``, ImageNotFound and StoreError.
    """
    if parse(target).digest:
        raise UsageError(f"{safe(target)}: a new name has no digest")
    lookup.warn_if_bundled(target)
    store, name, descriptor = lookup.find_stored(source, options)
    own = lookup.own_store(options)
    if is_same(store, own):
        return own.tag(source if own.find(source) else name, target)  # an alias has no entry
    copy_image(store, name, descriptor, own, target)
    return descriptor.digest


def copy_image(
    store: Store, name: str, descriptor: Descriptor, other: Store, new_name: str
) -> Reachable:
    """Copy the image that ``find`` gave as name and descriptor; return what was copied.

    That is all that it leads to, and what refers to it. An index may lack manifests. Raises
    StoreError if it is partial.
    """
    with store.layout.lease():
        needed = complete(store, store.entry(name, descriptor), name)
        image, *referrers = needed.entries
        copy(store.layout, other, Reachable(needed.blobs, (renamed(image, new_name), *referrers)))
    return needed


def is_same(store: Store, other: Store) -> bool:
    """Tell whether two stores are the same directory: a lease of one would wait for the other."""
    return os.path.realpath(store.path) == os.path.realpath(other.path)


def complete(store: Store, entry: IndexEntry, name: str) -> Reachable:
    """Return what an image consists of; raise StoreError, with what helps, if it is partial."""
    try:
        return closure(store.layout, [entry])
    except StoreError as error:
        partial = restated(StoreError(f"{safe(name)}: partial: {error}"), error)
        if has_host(name):
            partial.add_note(f"beepy pull {safe(name)}")
        raise partial from error


def copy(source: Source, store: Store, needed: Reachable) -> None:
    """Copy blobs, then add the entries to the index; an entry with a name takes it from any other.

    After a failure the store is as it was.
    """
    added: list[str] = []
    try:
        with store.layout.lease():
            for descriptor in needed.blobs.values():
                if not store.layout.has(descriptor):
                    added.append(descriptor.digest)
                    store.layout.add_stream(source.chunks(descriptor), descriptor)
            store.layout.replace_entries(lambda now: _merged(now, needed.entries))
    except (ImageError, OSError, KeyboardInterrupt):
        garbage.discard(store.layout, added)
        raise


def _merged(now: tuple[IndexEntry, ...], new: tuple[IndexEntry, ...]) -> list[IndexEntry]:
    names = {name for entry in new if (name := name_of(entry)) is not None}
    added = {key_of(entry): entry for entry in new}  # an archive may list one many times
    kept = [entry for entry in now if name_of(entry) not in names and key_of(entry) not in added]
    return [*kept, *added.values()]
