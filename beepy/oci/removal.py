"""Remove images from a store, and the blobs that no other image needs."""

import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from beepy.errors import BeepyError, ImageNotFound, StoreError, UsageError
from beepy.log import Log
from beepy.oci import garbage, lookup
from beepy.oci.copying import is_same
from beepy.oci.layout import IndexEntry, StoredFile, name_of
from beepy.oci.options import Options
from beepy.oci.reachable import Reachable, key_of, reachable
from beepy.oci.reference import same, same_repository
from beepy.oci.store import Store
from beepy.text import excerpt, safe

_log = Log(__name__)

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{12,64}")  # 12 digits: as list shows it
_SHORTER: Final = re.compile(r"sha256:[0-9a-f]{0,11}")


class Removal(NamedTuple):
    """The entries and the files that were removed."""

    entries: tuple[IndexEntry, ...]
    files: tuple[StoredFile, ...]


def remove(images: Sequence[str], options: Options) -> Removal:
    """Remove images by name or digest from beepy's own store; if one cannot be, remove none.

    Their blobs and referrers are removed too, unless others need them. Raises ImageNotFound,
    UsageError for a digest or a name that several images have, and StoreError.
    """
    store = lookup.own_store(options)
    if not store.layout.exists():
        raise _not_removable(images[0], store, options)
    with store.layout.exclusive():
        entries = store.layout.entries()
        chosen = [entry for image in images for entry in _chosen(image, entries, store, options)]
        chosen = list({key_of(entry): entry for entry in chosen}.values())
        before = _needed(store, entries)
        garbage.drop(store.layout, chosen)
        return Removal(tuple(chosen), _collect(store, before))


def _needed(store: Store, entries: Sequence[IndexEntry]) -> Reachable | None:
    try:
        return reachable(store.layout, entries)
    except StoreError as error:
        _log.warning("%s: no blob is removed", error)
        return None


def _collect(store: Store, before: Reachable | None) -> tuple[StoredFile, ...]:
    """Remove what was needed before and is not now."""
    entries = store.layout.entries()
    after = before and _needed(store, entries)
    if before is None or after is None:
        return ()
    garbage.drop(store.layout, garbage.unreachable_entries(before.entries, after))
    return garbage.remove_unneeded(store.layout, before.blobs, after)


def _chosen(
    image: str, entries: Sequence[IndexEntry], store: Store, options: Options
) -> list[IndexEntry]:
    """Return the entries of one image: those of a name, or the only ones with a digest."""
    names = [name for entry in entries if (name := name_of(entry)) is not None]
    if image in names:
        return [entry for entry in entries if name_of(entry) == image]
    if (pin := image.partition("@")[2]) and (stored := store.find(image)):
        alike = [
            entry
            for entry in entries
            if same_repository(name_of(entry) or "", image) and entry.get("digest") == pin
        ]
        alike = alike or [entry for entry in entries if name_of(entry) == stored[0]]
    elif _DIGEST.fullmatch(image):
        alike = [entry for entry in entries if str(entry.get("digest")).startswith(image)]
    else:
        alike = [entry for entry in entries if same(name_of(entry) or "", image)]
    if not alike:
        name = _other_name(image, options)
        if not name:
            raise _not_removable(image, store, options)
        return _chosen(name, entries, store, options)
    if len({(name_of(entry), str(entry.get("digest"))) for entry in alike}) > 1:
        raise _ambiguous(image, alike)
    return alike


def _other_name(image: str, options: Options) -> str:
    """Return what an alias or a name of the default registry stands for, "" for other names."""
    if _DIGEST.fullmatch(image) or lookup.bundled_store().named(image):
        return ""
    name = lookup.registry_name(image, options)
    return "" if name == image else name


def _ambiguous(image: str, entries: Iterable[IndexEntry]) -> UsageError:
    names = list(dict.fromkeys(name_of(entry) or str(entry.get("digest")) for entry in entries))
    listed = [excerpt(name, 200) for name in names[:8]] + ["..."] * (len(names) > 8)
    error = UsageError(f"{safe(image)}: {len(names)} images: {', '.join(listed)}")
    if len(names) <= 8:
        words = [*["--"] * any(name.startswith("-") for name in listed), *listed]
        error.add_note(f"beepy rm {shlex.join(words)} removes all")
    return error


def _not_removable(image: str, store: Store, options: Options) -> BeepyError:
    """Return why an image that is not in beepy's own store cannot be removed."""
    if _SHORTER.fullmatch(image):
        return UsageError(f"{image}: expected at least 12 digits of the digest")
    try:
        where, name, _ = lookup.find_stored(image, options)
    except ImageNotFound as missing:
        if not lookup.registry_name(image, options):
            raise
        error = ImageNotFound(str(missing))
        error.add_note(lookup.LISTS)  # nobody pulls an image to remove it
        return error
    if is_same(where, store):  # it came meanwhile
        return StoreError(f"{safe(image)}: {store.layout.where} has just changed")
    if where.path == lookup.bundled_store().path:
        return ImageNotFound(f"{safe(image)}: a bundled image is part of beepy and stays")
    error = ImageNotFound(
        f"{safe(image)}: only in {where.layout.where}, which bee writes to without a lock"
    )
    quoted = shlex.quote(str(where.path))
    error.add_note(f"beepy --storage {safe(quoted)} rm {safe(shlex.quote(name))}")
    return error
