"""What refers to a manifest of a layout: signatures, SBOMs, attestations.

They are entries of index.json: without a name those whose manifest has a ``subject``, as oras
writes them, and with a name those under a digest's tag, as cosign pushes them.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import NamedTuple

from beepy.errors import ImageError, UnsupportedImage
from beepy.log import Log
from beepy.oci.archive import Archive
from beepy.oci.descriptor import (
    Descriptor,
    parse_annotations,
    parse_descriptor,
    parse_object,
    parse_text,
)
from beepy.oci.layout import IndexEntry, Layout, name_of
from beepy.oci.links import links, may_be_manifest, subject_of_tag
from beepy.text import excerpt

_log = Log(__name__)

Source = Layout | Archive
"""Where images are, on disk or in a tar file."""


class Referrer(NamedTuple):
    """An entry of index.json that refers to the manifest with the digest ``subject``."""

    subject: str
    entry: IndexEntry


def referring(source: Source, entries: Sequence[IndexEntry]) -> tuple[Referrer, ...]:
    """Return those of the index's entries that refer to a manifest, which may be missing."""
    # an index can name one large manifest many thousand times: it is read once
    read = cache(partial(_read_subject, source))
    subjects = [(_subject(source, entry, read), entry) for entry in entries]
    return tuple(Referrer(subject, entry) for subject, entry in subjects if subject)


def images(source: Source, entries: Sequence[IndexEntry]) -> tuple[IndexEntry, ...]:
    """Return the entries of images: with a name, or, where none has one, those without.

    What refers to another manifest is no image, unless it is the only entry.
    """
    others = {id(referrer.entry) for referrer in referring(source, entries)}
    candidates = [entry for entry in entries if id(entry) not in others or len(entries) == 1]
    return tuple(entry for entry in candidates if name_of(entry) is not None) or tuple(candidates)


def referrers(source: Source, digest: str) -> tuple[Descriptor, ...]:
    """Return what refers to ``digest``, with the artifact type and annotations of its manifest.

    An index under the tag ``sha256-HEX`` stands for the manifests in it that have this subject. The
    artifact type is that of the config where the manifest has none. A malformed or missing referrer
    is skipped with a warning. Raises StoreError.
    """
    manifests: dict[str, Descriptor] = {}
    for referrer in referring(source, source.entries()):
        if referrer.subject == digest:
            for descriptor in _manifests(source, referrer):
                manifests.setdefault(descriptor.digest, descriptor)
    return tuple(manifests.values())


def _subject(source: Source, entry: IndexEntry, read: Callable[[str, int], str]) -> str:
    name = name_of(entry)
    if name is not None:
        return subject_of_tag(name)
    try:
        descriptor = parse_descriptor(entry, source.where)
    except UnsupportedImage:  # whatever it is, it is no referrer
        return ""
    is_readable = may_be_manifest(descriptor) and source.has_file(descriptor)
    return read(descriptor.digest, descriptor.size) if is_readable else ""


def _read_subject(source: Source, digest: str, size: int) -> str:
    try:
        return links(source.read(Descriptor("", digest, size))).subject
    except ImageError:
        return ""


def _manifests(layout: Source, referrer: Referrer) -> Iterator[Descriptor]:
    where = f"{layout.where}: {excerpt(referrer.entry.get('digest'))}"
    try:
        top = parse_descriptor(referrer.entry, where)
        linked = links(layout.read(top))
        for descriptor in linked.descriptors if linked.is_index else (top,):
            yield from _described(layout, descriptor, referrer.subject if linked.is_index else "")
    except ImageError as error:
        _log.warning("%s", error)


def _described(layout: Source, descriptor: Descriptor, subject: str) -> Iterator[Descriptor]:
    """Yield the descriptor with what its manifest says of it, unless that has another subject."""
    where = f"{layout.where}: {descriptor.digest}"
    try:
        data = layout.read(descriptor)
        body = parse_object(data, where)
        config = body.get("config")
        artifact_type = parse_text(body.get("artifactType"), f"{where}: artifactType")
        if not artifact_type and isinstance(config, dict):
            artifact_type = parse_text(config.get("mediaType"), f"{where}: config")
        annotations = parse_annotations(body.get("annotations"), where)
    except ImageError as error:
        _log.warning("%s", error)
        return
    if subject in ("", links(data).subject):
        yield descriptor._replace(annotations=annotations, artifact_type=artifact_type)
