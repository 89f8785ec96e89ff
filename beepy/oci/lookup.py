"""Look up an image: in a file, the local stores, the bundled images, a registry; in this order."""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from beepy.errors import (
    DigestMismatch,
    ImageNotFound,
    InvalidReference,
    StoreError,
    UsageError,
    worded,
)
from beepy.log import Log
from beepy.oci import image_file
from beepy.oci.descriptor import Descriptor
from beepy.oci.image import Image
from beepy.oci.option_checks import checked, text_of
from beepy.oci.options import Options, bee_dir, default_storage
from beepy.oci.reference import DOCKER, Reference, has_host, is_reference, parse
from beepy.oci.store import Entry, Store
from beepy.text import safe

if TYPE_CHECKING:
    from beepy.oci.policy import Policy  # most runs have none
    from beepy.oci.progress import Progress

__all__ = ["Options", "bundled_store", "find", "list_images", "pull", "stores"]

_log = Log(__name__)

_PACKAGE = Path(__file__).parent.parent
_DEFAULT = Options()
_TRANSPORTS = ("oci", "oci-archive", "docker-archive")  # as skopeo and podman write them
LISTS = "beepy list shows the images"


def bundled_store() -> Store:
    """Return the bundled images: inside the package (a wheel), else beside it (a checkout)."""
    inside = _PACKAGE / "images"
    return Store(inside if inside.is_dir() else _PACKAGE.parent / "images", is_ours=True)


def warn_if_bundled(name: str) -> None:
    """Warn if an image that gets this name hides a bundled one."""
    if bundled_store().find(name):
        _log.warning("%s: the bundled image of that name is hidden by it", safe(name))


def stores(options: Options) -> tuple[Store, ...]:
    """Return the local stores that this user may search, in order: beepy's own first."""
    if options.storage:
        return (Store(options.storage),)
    return tuple(
        [Store(path) for path in (default_storage(), bee_dir() / "store") if _is_searchable(path)]
    )


def _is_searchable(path: Path) -> bool:
    """Tell whether this user may search a store: after su, HOME can still be another user's."""
    try:
        is_searchable = not stat.S_ISDIR(path.stat().st_mode) or os.access(path, os.X_OK)
    except PermissionError:
        is_searchable = False
    except OSError:
        return True
    if not is_searchable:
        _log.info("store %s: skipped: permission denied", safe(str(path)))
    return is_searchable


def find(text: str | Path | Image, options: Options = _DEFAULT) -> Image:
    """Return the image that ``text`` names; an image is returned as it is.

    A name with a registry's host or a digest is a reference, and never a file. Only a name with a
    host is requested from a registry, or one that ``registries.toml`` expands to such a name, as
    ``options.pull`` says: "missing" if it is not found locally, "always" in any case, "never" opens
    no socket. Raises ImageNotFound, which suggests similar names, or the error of the first place
    that has the image; UsageError for a file whose name could be a reference.
    """
    if not isinstance(text, str):
        if isinstance(text, Image):
            return text
        text = text_of(text)
    options = checked(options)
    bundle = bundled_store()
    is_forced = has_host(text) and options.pull == "always"
    bundled = None if is_forced else bundle.named(text)
    if could_be_file(text) and (image := image_file.read(text, options.policy)):
        if bundled:  # anybody who can write to this directory may have created the file
            _log.warning(
                "%s: the file of that name in the working directory, not the bundled image",
                safe(text),
            )
        return image
    if not is_forced and (image := _from_stores(text, options)):
        return image
    if bundled:
        return _load(bundle, text, bundled, options.policy)
    name = text
    if has_host(text):
        if not is_forced:
            _refuse_file(text)
    elif expansion := expanded(text, options):
        name = expansion
        if options.pull != "always" and (image := _from_stores(name, options)):
            return image
    if has_host(name) and options.pull == "never":
        _reference(name, options)
        raise not_asked(name)
    try:
        return pull(name, options, keep=False)
    except ImageNotFound as error:
        if name != text and (similar := _similar(text, options)):
            error.add_note(f"did you mean {' or '.join(similar)}?")
        raise


def find_stored(text: str, options: Options = _DEFAULT) -> tuple[Store, str, Descriptor]:
    """Return the local store, or the bundled images, that has an image; its name there, and what.

    Raises ImageNotFound and InvalidReference, which suggest similar names.
    """
    options = checked(options)
    if stored := _stored(text, options):
        return stored
    bundle = bundled_store()
    if bundled := bundle.named(text):
        return bundle, text.partition("@")[0], bundled
    _reference(text, options)
    name = registry_name(text, options)
    if not name:
        raise not_found(text, options)
    if name != text and (stored := _stored(name, options)):
        return stored
    error = ImageNotFound(f"{safe(name)}: not found locally")
    error.add_note(f"beepy pull {safe(text)}")
    raise error


def _stored(text: str, options: Options) -> tuple[Store, str, Descriptor] | None:
    for store in stores(options):
        if stored := look_up(store, text, options):
            return store, *stored
    return None


def own_store(options: Options) -> Store:
    """Return the store that beepy writes to."""
    return Store(options.storage or default_storage())


def could_be_file(text: str) -> bool:
    """Tell whether ``text`` may name a file; what begins with "." or "/" is never a reference.

    A name with a digest is not looked up as a file, even if the digest is mistyped or not
    supported: anybody who can write to the directory could create a file of that name with other
    contents.
    """
    if text.startswith((".", "/")):
        return True
    return ":" not in text.partition("@")[2] and not (
        (has_host(text) or "@" in text) and is_reference(text)
    )


def _refuse_file(text: str) -> None:
    """Raise UsageError if a reference without a digest is also the name of a file."""
    if "@" not in text and is_reference(text) and os.path.isfile(text):  # noqa: PTH113
        name = safe(text)
        why = f"{name}: both a file and a registry reference: write ./{name}, or --pull always"
        raise UsageError(worded(why))


def _from_stores(text: str, options: Options) -> Image | None:
    for store in stores(options):
        if image := _from_store(store, text, options):
            return image
    return None


def _from_store(store: Store, text: str, options: Options) -> Image | None:
    """Return the image in a store; read again what was removed while it was read."""
    stored = look_up(store, text, options)
    while stored:
        try:
            return _load(store, text, stored[1], options.policy)
        except StoreError:
            now = look_up(store, text, options)
            if now == stored:
                raise
            stored = now
    return None


def _load(store: Store, text: str, descriptor: Descriptor, policy: "Policy | None") -> Image:
    _log.info("%s: found in %s", safe(text), safe(str(store.path)))
    try:
        return store.load(text, descriptor, policy)
    except (StoreError, DigestMismatch) as error:
        if has_host(text) and is_reference(text):
            error.add_note(f"beepy pull {text}")  # fetches what is missing or damaged
        raise


def look_up(store: Store, text: str, options: Options) -> tuple[str, Descriptor] | None:
    """Find an image in a store.

    A broken store is skipped with a warning unless --storage names it.
    """
    try:
        return store.find(text)
    except StoreError as error:
        if options.storage:
            raise
        _log.warning("%s", error)
        return None


def list_images(options: Options = _DEFAULT) -> tuple[tuple[Entry, bool], ...]:
    """Return the images of the local stores, and the bundled ones (True).

    A broken store is skipped with a warning unless ``options.storage`` names it.
    """
    options = checked(options)
    images: list[tuple[Entry, bool]] = []
    for store in stores(options):
        try:
            images += [(entry, False) for entry in store.list()]
        except StoreError as error:
            if options.storage:
                raise
            _log.warning("%s", error)
    return (*images, *[(entry, True) for entry in bundled_store().list()])


def pull(
    text: str,
    options: Options = _DEFAULT,
    *,
    keep: bool = True,
    progress: "Progress | None" = None,
) -> Image:
    """Fetch an image from its registry into the first local store, named as written; return it.

    Without ``keep`` only what its format uses is fetched, and a store that cannot be written causes
    a warning, not an error. ``progress`` is called with each blob and the number of its bytes that
    have been fetched so far. A bundled image is returned as it is. Any other name without a
    registry's host is expanded by ``registries.toml``, and stored expanded; without an expansion no
    registry is contacted. Mirrors come before the registry itself. Raises ImageNotFound and
    InvalidReference, which suggest similar names, UnsupportedImage, DigestMismatch, RegistryError
    and StoreError.
    """
    if not isinstance(text, str):
        text = text_of(text)
    options = checked(options)
    bundle = bundled_store()
    if not has_host(text) and (bundled := bundle.named(text)):
        return bundle.load(text, bundled, options.policy)
    reference, name = _reference(text, options), text
    if not has_host(text):
        name = expanded(text, options)
        if not name:
            raise image_file.layout_refusal(text) or not_found(text, options)
        reference = parse(name)
    from beepy.oci import mirrors  # noqa: PLC0415 - requests and oras cost 160 ms

    store = own_store(options)
    return mirrors.pull(reference, name, store, options, keep=keep, progress=progress)


def registry_name(text: str, options: Options) -> str:
    """Return the reference by which a registry has an image, "" if none is asked for that name."""
    if has_host(text):  # so has "./probe.o"
        return text if is_reference(text) else ""
    return expanded(text, options)


def expanded(text: str, options: Options) -> str:
    """Return the reference that a name without a registry's host stands for, "" if it has none."""
    if _is_path(text) or not is_reference(text):
        return ""
    from beepy.oci import endpoints  # noqa: PLC0415 - not for a file, a stored or bundled image

    return endpoints.expand(text, options)


def _reference(text: str, options: Options) -> Reference:
    """Parse a reference; what looks like a path is reported as one."""
    where = safe(text[:200])
    transport, colon, path = text.partition(":")
    if colon and transport in _TRANSPORTS and path and "\0" not in path and os.path.exists(path):  # noqa: PTH110
        error = InvalidReference(f"{where}: a path has no '{transport}:' in front")
        error.add_note(f"write {safe(path[:200])}")
        raise error
    try:
        reference = parse(text)
    except InvalidReference as error:
        if "://" in text:
            raise
        if text.startswith((".", "/", "~")) or text.endswith((".o", ".tar")):
            raise _not_a_reference(text, where) from error
        similar = _similar(text, options)
        if similar or "/" not in text:
            error.add_note(f"did you mean {' or '.join(similar)}?" if similar else LISTS)
        raise
    if not has_host(text) and _is_path(text):
        raise _not_a_reference(text, where)
    return reference


def _is_path(text: str) -> bool:
    """Tell whether a name without a registry's host is that of a file, or looks like one."""
    return text.endswith((".o", ".tar")) or os.path.isfile(text)  # noqa: PTH113


def not_asked(name: str) -> ImageNotFound:
    """Return the error for a name that only a registry may have, which is not to be asked."""
    why = f"{safe(name)}: not found locally, and no registry may be asked (--pull never)"
    return ImageNotFound(worded(why))


def not_found(text: str, options: Options) -> ImageNotFound:
    """Return the error for a name without a registry's host, with similar names."""
    name, _, pin = text.partition("@")
    for store in (*stores(options), bundled_store()) if pin else ():
        if stored := look_up(store, name, options):
            digest = stored[1].digest
            return ImageNotFound(f"no image '{safe(text)}': the local {safe(name)} is {digest}")
    if not pin and _stored(text, options):
        why = "in the local store; no registry to pull it from in its name"
        return ImageNotFound(f"{safe(text)}: {why}")
    similar = _similar(text, options)
    if "/" in text and is_reference(f"{DOCKER}/{text}"):
        similar.append(f"{DOCKER}/{safe(text)}")
    if similar:
        return ImageNotFound(f"no image '{safe(text)}': did you mean {' or '.join(similar)}?")
    error = ImageNotFound(
        f"no image '{safe(text)}': no file, stored or bundled image has that name"
    )
    error.add_note(LISTS)
    return error


def _similar(text: str, options: Options) -> list[str]:
    """Return the local names, at most three, whose last part is most similar to ``text``'s."""
    names = list(bundled_store().names())
    for store in stores(options):
        with suppress(StoreError):
            names += store.names()
    by_last: dict[str, list[str]] = {}
    for name in names:
        by_last.setdefault(_last_part(name), []).append(safe(name[:200]))
    from difflib import get_close_matches  # noqa: PLC0415 - only on the way to an error

    nearest = get_close_matches(_last_part(text[:200]), by_last, 1)
    return by_last[nearest[0]][:3] if nearest else []


def _last_part(name: str) -> str:
    """Return the last part of a repository's name in lower case, without tag and digest."""
    return name.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()


def _not_a_reference(text: str, where: str) -> ImageNotFound:
    if os.path.isfile(text):  # noqa: PTH113
        return ImageNotFound(f"{where}: a file, not the name of an image in a store or registry")
    return ImageNotFound(f"{where}: no such file")
