"""Where an image is found: a file, the local stores, the bundled images, a registry; in this order."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from beepy.errors import (
    DigestMismatch,
    ImageNotFound,
    InvalidReference,
    StoreError,
    UnsupportedImage,
    UsageError,
    worded,
)
from beepy.log import Log
from beepy.oci.descriptor import MAX_IMAGE, Descriptor, digest_of
from beepy.oci.image import Image
from beepy.oci.options import POLICIES, Options, bee_dir, default_storage
from beepy.oci.reference import DOCKER, Reference, has_host, is_reference, parse
from beepy.oci.store import Entry, Store
from beepy.text import safe

__all__ = ["Options", "bundled_store", "find", "listed", "pull", "stores"]

_log = Log(__name__)

_PACKAGE = Path(__file__).parent.parent
_DEFAULT = Options()
_TRANSPORTS = ("oci", "oci-archive", "docker-archive")  # as skopeo and podman write them
_LISTS = "beepy list shows the images"


def bundled_store() -> Store:
    """Return the images that beepy brings along: inside the package (a wheel), else beside it (a checkout)."""
    inside = _PACKAGE / "images"
    return Store(inside if inside.is_dir() else _PACKAGE.parent / "images", is_ours=True)


def stores(options: Options) -> tuple[Store, ...]:
    """Return the local stores in the order of look-up (beepy's own first) that this user may enter."""
    if options.storage:
        return (Store(options.storage),)
    return tuple([Store(path) for path in (default_storage(), bee_dir() / "store") if _may_enter(path)])


def _may_enter(path: Path) -> bool:
    """Tell whether this user may look there: after su or setpriv, HOME can still be another user's."""
    try:
        entered = not stat.S_ISDIR(path.stat().st_mode) or os.access(path, os.X_OK)
    except PermissionError:
        entered = False
    except OSError:
        return True
    if not entered:
        _log.info("store %s: left out: permission denied", safe(str(path)))
    return entered


def find(text: str | Path | Image, options: Options = _DEFAULT) -> Image:
    """Return the image that ``text`` names; an image is returned as it is.

    A file is one that no registry could have: a name with a registry's host or a digest is a reference. Only a name
    with a host is asked of a registry, as ``options.pull`` says: "missing" asks if nothing local has the image,
    "always" asks even so, "never" opens no socket. Raises ImageNotFound, which suggests similar names, or what is
    wrong with the first place that has the image; UsageError for a file whose name could be a registry's.
    """
    if not isinstance(text, str):
        if isinstance(text, Image):
            return text
        text = _text_of(text)
    options = _checked(options)
    bundled = bundled_store()
    is_asked = has_host(text) and options.pull == "always"
    here = None if is_asked else bundled.named(text)
    if _could_be_file(text) and (image := _from_file(text)):
        if here:  # whoever may write to this folder may have put it there
            _log.warning("%s: the file of that name in this folder, not the bundled image", safe(text))
        return image
    if not is_asked:
        for store in stores(options):
            if found := _look_up(store, text, options):
                return _loaded(store, text, found[1])
    if here:
        return _loaded(bundled, text, here)
    if has_host(text) and not is_asked:
        _refuse_file(text)
        if options.pull == "never":
            _reference(text, options)
            why = f"{safe(text)}: not found locally, and no registry may be asked (--pull never)"
            raise ImageNotFound(worded(why))
    return pull(text, options, keep=False)


def _text_of(path: Path) -> str:
    """Return a path as text: one that names a file, whatever references look like. Raises TypeError."""
    if not isinstance(path, Path):
        from beepy.arguments import wrong_type  # noqa: PLC0415 - only on the way to an error

        raise wrong_type("image", "its name or path", path)
    text = str(path)
    return text if text.startswith((".", "/")) else f"./{text}"


def _checked(options: Options) -> Options:
    """Return the options with paths that were given as texts. Raises TypeError and UsageError."""
    if not isinstance(options, Options):
        from beepy.arguments import wrong_type  # noqa: PLC0415 - only on the way to an error

        raise wrong_type("options", "Options(...)", options)
    if options.pull not in POLICIES:
        from beepy.arguments import no_choice  # noqa: PLC0415 - as above

        raise no_choice("pull", POLICIES, options.pull)
    storage, config_dir, ca_file = map(_path, (options.storage, options.config_dir, options.ca_file))
    return options._replace(storage=storage, config_dir=config_dir, ca_file=ca_file)


def _path(path: Path | str | None) -> Path | None:
    return Path(path) if isinstance(path, str) else path


def _could_be_file(text: str) -> bool:
    """Tell whether a file is looked for; what begins with "." or "/" is never a reference.

    A digest is a promise, even one that is mistyped or of a kind that is not supported: whoever may write to this
    folder cannot keep it.
    """
    if text.startswith((".", "/")):
        return True
    return ":" not in text.partition("@")[2] and not ((has_host(text) or "@" in text) and is_reference(text))


def _refuse_file(text: str) -> None:
    """Raise UsageError if a reference, one without a digest, is also a file's name: neither is taken for the other."""
    if "@" not in text and is_reference(text) and os.path.isfile(text):  # noqa: PTH113
        name = safe(text)
        why = f"{name}: is a file here and could be a registry: write ./{name}, or --pull always"
        raise UsageError(worded(why))


def _loaded(store: Store, text: str, descriptor: Descriptor) -> Image:
    _log.info("%s: found in %s", safe(text), safe(str(store.path)))
    try:
        return store.load(text, descriptor)
    except (StoreError, DigestMismatch) as error:
        if has_host(text) and is_reference(text):
            error.add_note(f"beepy pull {text}")  # fetches what is missing or damaged
        raise


def _look_up(store: Store, text: str, options: Options) -> tuple[str, Descriptor] | None:
    """Find an image in a store; one that is broken has none, unless it is the only one to use."""
    try:
        return store.find(text)
    except StoreError as error:
        if options.storage:
            raise
        _log.warning("%s", error)
        return None


def listed(options: Options = _DEFAULT) -> tuple[tuple[Entry, bool], ...]:
    """Return the images of the local stores, and the bundled ones (True); a broken store is told, and passed over."""
    options = _checked(options)
    found: list[tuple[Entry, bool]] = []
    for store in stores(options):
        try:
            found += [(entry, False) for entry in store.list()]
        except StoreError as error:
            if options.storage:
                raise
            _log.warning("%s", error)
    return (*found, *[(entry, True) for entry in bundled_store().list()])


def pull(text: str, options: Options = _DEFAULT, *, keep: bool = True) -> Image:
    """Fetch an image from its registry into the first local store, under the name as written, and return it.

    Without ``keep`` only what its format uses is fetched, and a store that cannot be written is no error, but a
    warning. A bundled image needs no fetching; a name without a registry's host is asked of nobody. Raises
    ImageNotFound and InvalidReference, which suggest similar names, and what is wrong with the registry's answer.
    """
    if not isinstance(text, str):
        text = _text_of(text)
    options = _checked(options)
    bundled = bundled_store()
    if not has_host(text) and (here := bundled.named(text)):
        return bundled.load(text, here)
    reference = _reference(text, options)
    if not has_host(text):
        raise _foreign(text) or _not_found(text, options)
    from beepy.oci.pull import pull as pull_into  # noqa: PLC0415 - requests and oras cost 160 ms

    return pull_into(reference, text, Store(options.storage or default_storage()), options, keep=keep)


def _reference(text: str, options: Options) -> Reference:
    """Read a reference; what looks like a path is reported as one."""
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
            raise _no_reference(text, where) from error
        near = _similar(text, options)
        if near or "/" not in text:
            error.add_note(f"did you mean {' or '.join(near)}?" if near else _LISTS)
        raise
    if not has_host(text) and (text.endswith((".o", ".tar")) or os.path.isfile(text)):  # noqa: PTH113
        raise _no_reference(text, where)
    return reference


def _not_found(text: str, options: Options) -> ImageNotFound:
    """Return the error for a name that no registry is asked for, with the names that may have been meant."""
    name, _, pin = text.partition("@")
    for store in (*stores(options), bundled_store()) if pin else ():
        if other := _look_up(store, name, options):
            return ImageNotFound(f"no image '{safe(text)}': {safe(name)} is {other[1].digest} here")
    near = _similar(text, options)
    if "/" in text and is_reference(f"{DOCKER}/{text}"):
        near.append(f"{DOCKER}/{safe(text)}")
    if near:
        return ImageNotFound(f"no image '{safe(text)}': did you mean {' or '.join(near)}?")
    error = ImageNotFound(f"no image '{safe(text)}': no file, stored or bundled image has that name")
    error.add_note(_LISTS)
    return error


def _similar(text: str, options: Options) -> list[str]:
    """Return the local names, at most three, whose last part is the nearest to that of ``text``."""
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
    """Return the last part of a repository's name: without tag, digest and upper case."""
    return name.partition("@")[0].rpartition("/")[2].partition(":")[0].lower()


def _no_reference(text: str, where: str) -> ImageNotFound:
    there = os.path.isfile(text)  # noqa: PTH113
    return ImageNotFound(f"{where}: {'a file, not a reference: it needs no registry' if there else 'no such file'}")


def _from_file(text: str) -> Image | None:
    """Return the image in the file ``text``; None if there is none, or a folder of that name."""
    where = safe(text[:200])
    try:
        file = os.open(text, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL, a lone surrogate
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG or (error.errno == errno.EACCES and not _may_search(text)):
            return None
        raise ImageNotFound(f"{where}: {error.strerror}") from error
    try:
        mode = os.fstat(file).st_mode
        if stat.S_ISDIR(mode) and not text.startswith((".", "/")):
            return None
        if not stat.S_ISREG(mode):
            raise _foreign(text) or UnsupportedImage(f"{where}: not a regular file")
        with open(file, "rb", closefd=False) as stream:
            return _from_stream(stream, text, where)
    except OSError as error:
        raise ImageNotFound(f"{where}: {error.strerror}") from error
    finally:
        os.close(file)


def _may_search(text: str) -> bool:
    """Tell whether this user may look for a file of that name: after su, this folder can still be another user's."""
    return text.startswith((".", "/")) or os.access(".", os.X_OK)


def _from_stream(stream: BinaryIO, text: str, where: str) -> Image:
    data = stream.read(512)
    if data.startswith(b"\x7fELF"):
        data += stream.read(MAX_IMAGE + 1 - len(data))
        if len(data) > MAX_IMAGE:
            raise UnsupportedImage(f"{where}: more than {MAX_IMAGE} bytes")
        return Image(text, digest_of(data), "", {}, len(data), "elf", {}, (data,))
    from beepy.oci import archive  # noqa: PLC0415 - only where it is used

    if archive.is_tar(data):
        return archive.load(stream, text)
    from beepy.oci import foreign  # noqa: PLC0415 - only on the way to an error

    raise foreign.file(data, text)


def _foreign(text: str) -> UnsupportedImage | None:
    """Return what is wrong with a directory that is an image layout, None for anything else."""
    from beepy.oci import foreign  # noqa: PLC0415 - only on the way to an error

    return foreign.directory(text)
