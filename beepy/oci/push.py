"""A push: an image on this machine to a registry, by tag or by digest, byte for byte."""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from shlex import quote

from beepy.errors import (
    DigestMismatch,
    ImageNotFound,
    StoreError,
    UnsupportedImage,
    UsageError,
    restated,
)
from beepy.log import Log
from beepy.oci import lookup, referrers, stored_referrers, upload
from beepy.oci.client import Client
from beepy.oci.descriptor import (
    MAX_MANIFEST,
    MAX_MOVED,
    Descriptor,
    descriptor_of,
    parse_descriptor,
    parse_object,
)
from beepy.oci.endpoints import own_endpoint
from beepy.oci.layout import name_of
from beepy.oci.links import links
from beepy.oci.local import LocalImage, located, not_here, repositories
from beepy.oci.manifest import OCI_INDEX, Manifest, walk
from beepy.oci.option_checks import checked
from beepy.oci.options import Options
from beepy.oci.progress import Progress, reported
from beepy.oci.reference import has_host, is_reference, parse
from beepy.oci.stored_referrers import Source
from beepy.text import safe

_log = Log(__name__)

_DEFAULT = Options()

Mounts = Callable[[], Mapping[str, str]]
"""Return other repositories of the registry by the digests of blobs in them."""


def push(
    text: str,
    target: str = "",
    options: Options = _DEFAULT,
    *,
    progress: Progress | None = None,
) -> str:
    """Send a local image, ``text``, to its registry or to the reference ``target``.

    Return the digest. An index is sent with all it leads to, and an image with what refers to it,
    such as signatures. A target without a registry's host is expanded by ``registries.toml``, whose
    mirrors are not pushed to. Blobs come first, then the manifests below the image's, then its own:
    a push that fails leaves the registry's tag as it was. ``progress`` is called with each blob and
    the number of its bytes that have been sent so far. Raises ImageNotFound, InvalidReference,
    UsageError for a name without a registry, StoreError for an image that is not complete,
    DigestMismatch and RegistryError.
    """
    options = checked(options)
    name = target_of(text, target, options)
    reference, connected = own_endpoint(parse(name), options)
    with located(text, options) as image:
        if image is None:
            raise not_here(text, options)
        digest, blobs = image.top.digest, image.blobs
        if reference.digest not in (None, digest):
            where = safe(name[:200])
            raise DigestMismatch(f"{where}: content is {digest}, expected {reference.digest}")
        mounts = cache(partial(repositories, reference, options))
        try:
            _refuse_partial(image, safe(text[:200]))
            with Client(reference, connected, push=True) as client:
                tag = reference.tag or ""
                push_manifest(client, blobs, image.top, tag, mounts=mounts, progress=progress)
                _push_referrers(client, blobs, digest)
        except (StoreError, DigestMismatch) as error:
            for origin in _origins(image, name)[:1]:
                error.add_note(f"beepy pull {origin}")
            raise
    _log.info("%s: pushed %s", reference, digest)
    return digest


def target_of(text: str, target: str, options: Options) -> str:
    """Return the reference that ``text`` is pushed to; raise UsageError if it has no registry."""
    name = target or text
    if name.startswith((".", "/")):
        expanded = ""
    else:
        expanded = name if has_host(name) else lookup.expanded(name, options)
    if expanded:
        return expanded
    error = UsageError(f"{safe(name[:200])}: names no registry to push to")
    repository = text if is_reference(text) else "NAME:TAG"
    error.add_note(f"beepy push {safe(quote(text[:200]))} REGISTRY/{repository}")
    raise error


def push_manifest(
    client: Client,
    blobs: Source,
    top: Descriptor,
    tag: str = "",
    *,
    mounts: Mounts = dict,
    progress: Progress | None = None,
) -> bool:
    """Send a manifest or an index with all it leads to; ``top`` itself under ``tag`` if given.

    Return whether the registry has added it to the list of referrers of its subject, if it has one.
    """
    is_listed = False
    for descriptor, document in walk(top, blobs.read, blobs.where, MAX_MOVED):
        for blob in document.blobs if isinstance(document, Manifest) else ():
            if upload.has_blob(client, blob):
                _log.info("%s: %s: exists already", client.where, blob.digest)
                continue
            read = partial(_reported, blobs, blob, progress)
            upload.send_blob(client, blob, read, mounts().get(blob.digest, ""))
        is_top = descriptor.digest == top.digest
        sent = descriptor._replace(media_type=document.media_type)
        data = blobs.read(descriptor)
        is_listed = upload.put_manifest(client, sent, data, tag if is_top else "")
    return is_listed


def _push_referrers(client: Client, blobs: Source, subject: str) -> None:
    for referrer in stored_referrers.referrers(blobs, subject):
        if links(blobs.read(referrer)).subject == subject:
            push_referrer(client, blobs, referrer, subject)
    for stored in stored_referrers.referring(blobs, blobs.entries()):
        tag = (name_of(stored.entry) or "").rpartition(":")[2]
        # one that has a digest's tag in the place of a subject, such as cosign's sha256-HEX.sig
        if tag and stored.subject == subject and tag != referrers.fallback_tag(subject):
            push_manifest(client, blobs, parse_descriptor(stored.entry, blobs.where), tag)


def push_referrer(client: Client, blobs: Source, referrer: Descriptor, subject: str) -> None:
    """Send a manifest that refers to ``subject``.

    A registry without the API of referrers finds them in an index under the tag ``sha256-HEX``,
    which its clients keep (distribution-spec, "Referrers tag schema").
    """
    if push_manifest(client, blobs, referrer):
        return
    tag = referrers.fallback_tag(subject)
    manifests = _listed(client, tag)
    if any(entry.get("digest") == referrer.digest for entry in manifests):
        return
    entry: dict[str, object] = {
        "mediaType": referrer.media_type,
        "digest": referrer.digest,
        "size": referrer.size,
    }
    if referrer.artifact_type:
        entry["artifactType"] = referrer.artifact_type
    if referrer.annotations:
        entry["annotations"] = dict(referrer.annotations)
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*manifests, entry]}
    data = json.dumps(index, separators=(",", ":")).encode()
    upload.put_manifest(client, descriptor_of(data, OCI_INDEX), data, tag)


def _refuse_partial(image: LocalImage, where: str) -> None:
    """Raise StoreError unless all that an image leads to is there."""
    try:
        documents = [
            document for _, document in walk(image.top, image.blobs.read, where, MAX_MOVED)
        ]
    except StoreError as error:
        raise restated(StoreError(f"{where}: partial: {error}"), error) from error
    for document in documents:
        for blob in document.blobs if isinstance(document, Manifest) else ():
            if not image.blobs.has_file(blob):
                raise StoreError(f"{where}: partial: {image.blobs.not_found(blob)}")


def _origins(image: LocalImage, name: str) -> list[str]:
    """Return the names of a stored image that can be pulled: first those that are not pushed to."""
    names = [name for name in image.names if has_host(name) and is_reference(name)]
    return sorted(names, key=lambda other: other == name)


def _reported(blobs: Source, blob: Descriptor, progress: Progress | None) -> Iterator[bytes]:
    return reported(blobs.chunks(blob), blob, progress)


def _listed(client: Client, tag: str) -> list[dict[str, object]]:
    """Return the entries of the index of referrers under a tag, with members of all kinds."""
    url, where = client.manifest_url(tag), f"{client.where}: referrers"
    try:
        with client.get(url, "referrers", {"Accept": OCI_INDEX}) as response:
            body = parse_object(client.http.read(response, MAX_MANIFEST, "referrers"), where)
    except ImageNotFound:
        return []
    entries = body.get("manifests")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UnsupportedImage(f"{where}: a list of objects is expected")
    return entries
