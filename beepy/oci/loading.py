"""Load the images of an oci-archive, or of a directory with an image layout, into the own store."""

import os
import shlex
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from beepy.errors import (
    ImageNotFound,
    InvalidReference,
    StoreError,
    UnsupportedImage,
    UsageError,
)
from beepy.file_bytes import ELF_MAGIC
from beepy.log import Log
from beepy.oci import archive, lookup
from beepy.oci.admission import Candidate, ImageSource
from beepy.oci.copying import copy, is_same
from beepy.oci.descriptor import MAX_MANIFEST, parse_descriptor
from beepy.oci.formats import unsupported
from beepy.oci.layout import IndexEntry, name_of
from beepy.oci.links import links
from beepy.oci.manifest import CONTAINERD_NAME, resolve
from beepy.oci.option_checks import checked
from beepy.oci.options import Options
from beepy.oci.reachable import Reachable, closure, key_of
from beepy.oci.reference import is_reference, parse
from beepy.oci.store import Store, renamed
from beepy.oci.stored_referrers import Source, images
from beepy.text import excerpt, safe

if TYPE_CHECKING:
    from beepy.oci.policy import Policy  # few users have one

_log = Log(__name__)

_CHUNK: Final = 1 << 20
_MAX_STREAM: Final = 8 << 30  # bytes read from a pipe


def load(path: str, name: str, options: Options) -> list[tuple[str, str]]:
    """Load the images of the archive or layout ``path``; return the name and digest of each.

    ``path`` "-" is standard input. ``name`` is the new name of an only image, "" for those that the
    images have. What refers to the images is loaded too. Raises UnsupportedImage, DigestMismatch,
    InvalidReference, ImageNotFound for a file that does not exist, UntrustedImage if the policy
    refuses an image, and StoreError; the store is then as before.
    """
    own = lookup.own_store(options)
    with _opened(path, own) as source:
        where = source.where
        chosen = images(source, source.entries())
        if not chosen:
            raise UnsupportedImage(f"{where}: no image in it")
        names = [_named(entry, where, name, only=len(chosen) == 1) for entry in chosen]
        if twice := next((text for text, count in Counter(names).items() if count > 1), None):
            raise UnsupportedImage(f"{where}: several images have the name {safe(twice)}")
        policy = checked(options).policy
        for entry in chosen:
            _check_image(source, entry)
            if policy:
                _admit(policy, source, entry, path)
        needed = closure(source, chosen)
        new = [renamed(entry, text) for entry, text in zip(chosen, names, strict=True)]
        keys = set(map(key_of, chosen))
        referrers = [entry for entry in needed.entries if key_of(entry) not in keys]
        for entry in referrers:
            _check_referrer(entry, where)
        moved = _moved(own, (*new, *referrers))
        copy(source, own, Reachable(needed.blobs, (*new, *referrers)))
        for text in moved:
            _log.warning("%s", text)
        return [(text, str(entry["digest"])) for entry, text in zip(chosen, names, strict=True)]


@contextmanager
def _opened(path: str, own: Store) -> Iterator[Source]:
    """Open an archive, or a layout with its lease."""
    where = "standard input" if path == "-" else safe(path[:200])
    with ExitStack() as opened:
        if path == "-":
            yield archive.Archive(_spooled(opened, own), where)
            return
        if Path(path).is_dir():
            if is_same(Store(Path(path)), own):
                raise UsageError(f"{where}: the store itself")
            layout = Store(Path(path)).layout
            opened.enter_context(layout.lease())
            yield layout
            return
        try:
            file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            why = os.strerror(error.errno or 0).lower()
            raise ImageNotFound(f"{where}: {why}") from error
        stream = opened.enter_context(open(file, "rb"))  # noqa: PTH123 - an fd
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise UnsupportedImage(f"{where}: not a regular file; - reads standard input")
        _check_tar(stream.read(512), path)
        yield archive.Archive(stream, path)


def _spooled(opened: ExitStack, own: Store) -> BinaryIO:
    """Copy standard input into a file that can be sought in, on the store's disk."""
    head = b""
    while len(head) < 512 and (chunk := os.read(0, 512 - len(head))):
        head += chunk
    _check_tar(head, "standard input")

    def chunks() -> Iterator[bytes]:
        size = len(head)
        yield head
        while chunk := os.read(0, _CHUNK):
            size += len(chunk)
            if size > _MAX_STREAM:
                raise UnsupportedImage(f"standard input: more than {_MAX_STREAM} bytes")
            yield chunk

    return opened.enter_context(own.layout.spool(chunks()))


def _check_tar(head: bytes, text: str) -> None:
    if head.startswith(ELF_MAGIC):
        name = safe(shlex.quote(text[:200]))
        error = UnsupportedImage(f"{safe(text[:200])}: an ELF object, not an OCI archive")
        error.add_note(f"beepy run {name}")
        raise error
    if not archive.is_tar(head):
        raise unsupported.file(head, text)


def _named(entry: IndexEntry, where: str, name: str, *, only: bool) -> str:
    """Return the name that an image gets. Raises UnsupportedImage if that cannot be its name."""
    annotations = entry.get("annotations")
    full = annotations.get(CONTAINERD_NAME) if isinstance(annotations, dict) else None
    text = name or (full if isinstance(full, str) else name_of(entry))
    if name and not only:
        raise UsageError(f"{where}: several images: name '{safe(name)}' would fit only one")
    if text is None:
        raise _unnamed(f"{where}: the image has no name", only=only)
    try:
        pin = parse(text).digest
    except InvalidReference as error:
        if name:
            raise
        raise _unnamed(f"{where}: {error}", only=only) from error
    if pin and pin != entry.get("digest"):
        raise UnsupportedImage(f"{where}: {excerpt(text, 200)}: another digest than its name has")
    bundled = lookup.bundled_store().find(text)
    if not name and bundled and bundled[1].digest != entry.get("digest"):
        raise _unnamed(f"{where}: {safe(text)}: the name of a bundled image", only=only)
    return text


def _unnamed(why: str, *, only: bool) -> UnsupportedImage:
    error = UnsupportedImage(why)
    if only:
        error.add_note("--name REF gives the image another name")
    return error


def _check_referrer(entry: IndexEntry, where: str) -> None:
    name = name_of(entry)
    if name is not None and not is_reference(name):
        raise UnsupportedImage(f"{where}: '{excerpt(name)}': not a reference")


def _check_image(source: Source, entry: IndexEntry) -> None:
    where = f"{source.where}: {excerpt(entry.get('digest'))}"
    descriptor = parse_descriptor(entry, where)
    if descriptor.size > MAX_MANIFEST:  # parsed, it can be 25 times as large
        raise UnsupportedImage(f"{where}: manifest of {descriptor.size} bytes")
    if not links(source.read(descriptor)).descriptors:
        raise UnsupportedImage(f"{where}: neither a manifest nor an index")


def _admit(policy: "Policy", source: Source, entry: IndexEntry, path: str) -> None:
    """Raise UntrustedImage if the policy refuses the image: once stored, it is no archive's."""
    from beepy.oci.policy import decide  # noqa: PLC0415 - few users have one
    from beepy.oci.signatures.stored import signatures  # noqa: PLC0415 - as above

    top = parse_descriptor(entry, source.where)
    manifest = top
    with suppress(UnsupportedImage, StoreError):  # it is for other machines
        manifest, _ = resolve(top, source.read, source.where)
    image = Candidate(
        name=path,
        source=ImageSource.ARCHIVE,
        top=top,
        descriptor=manifest,
        manifest=None,
        read=source.read,
        find_signatures=partial(signatures, source),
    )
    decide(policy, image)


def _moved(own: Store, entries: Sequence[IndexEntry]) -> list[str]:
    """Return what is said of names that other images have."""
    stored = {name_of(entry): entry.get("digest") for entry in own.layout.entries()}
    return [
        f"{safe(name)}: was {excerpt(stored[name])}"
        for entry in entries
        if (name := name_of(entry)) in stored and name and stored[name] != entry["digest"]
    ]
