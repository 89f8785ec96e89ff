"""Remove from a store what no image needs: blobs, referrers of removed images, leftover files.

A blob that nothing leads to may be on its way to a name. beepy's own are protected by their lease.
Other programs (skopeo, oras, bee) hold none, so what is younger than ``YOUNG_S`` is kept: beepy
sets the mtime of its blobs to 0, and a recent one is of another program.
"""

import re
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

from beepy.errors import StoreError
from beepy.log import Log
from beepy.oci.layout import IndexEntry, Layout, StoredFile
from beepy.oci.reachable import Reachable, key_of, reachable

_log = Log(__name__)

YOUNG_S: Final = 600.0

_HEX: Final = re.compile(r"[0-9a-f]{64}")


class Pruned(NamedTuple):
    """What was removed; ``young`` counts the blobs that were kept for their age."""

    removed: tuple[StoredFile, ...] = ()
    young: int = 0


def prune(layout: Layout, *, dry_run: bool = False) -> Pruned:
    """Remove what no image needs, with ``dry_run`` only say what that is. Raises StoreError.

    Nothing is removed if the index has an entry that cannot be followed.
    """
    if not layout.exists():
        return Pruned()
    with layout.exclusive():
        entries = layout.entries()
        blobs = list(_blobs(layout))
        young = frozenset(digest for digest, file in blobs if _is_young(file))
        needed = reachable(layout, entries, young)
        unneeded = {digest: file for digest, file in blobs if digest not in needed.blobs}
        removed = [file for digest, file in unneeded.items() if digest not in young]
        leftover = layout.sweep(time.time() - YOUNG_S, dry_run=dry_run)
        if not dry_run:
            drop(layout, unreachable_entries(entries, needed))
            for file in removed:
                layout.remove(file)
        return Pruned((*removed, *leftover), len(unneeded) - len(removed))


def discard(layout: Layout, digests: Collection[str]) -> None:
    """Remove those of these blobs that nothing leads to; a failure is only warned of."""
    if not digests:
        return
    try:
        with layout.exclusive():
            remove_unneeded(layout, digests, reachable(layout, layout.entries()))
    except StoreError as error:
        _log.warning("%s", error)


def remove_unneeded(
    layout: Layout, digests: Collection[str], needed: Reachable
) -> tuple[StoredFile, ...]:
    """Remove those of these blobs that are not needed; the exclusive side is held."""
    removed = tuple(
        file for digest, file in _blobs(layout) if digest in digests and digest not in needed.blobs
    )
    for file in removed:
        layout.remove(file)
    return removed


def unreachable_entries(entries: Sequence[IndexEntry], needed: Reachable) -> list[IndexEntry]:
    """Return the referrers of manifests that nothing leads to."""
    keys = set(map(key_of, needed.entries))
    return [entry for entry in entries if key_of(entry) not in keys]


def drop(layout: Layout, entries: Sequence[IndexEntry]) -> None:
    """Remove entries from the index, whichever program has added others meanwhile."""
    keys = set(map(key_of, entries))
    if keys:
        layout.replace_entries(lambda now: [entry for entry in now if key_of(entry) not in keys])


def _blobs(layout: Layout) -> Iterator[tuple[str, StoredFile]]:
    for file in layout.blobs():
        name = file.parts[-1]
        if _HEX.fullmatch(name):
            yield f"sha256:{name}", file


def _is_young(file: StoredFile) -> bool:
    return abs(time.time() - file.mtime) < YOUNG_S
