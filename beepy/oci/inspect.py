"""Look at an image without fetching it: manifest, config, layers, platforms, referrers."""

from typing import NamedTuple

from beepy.errors import ImageError
from beepy.log import Log
from beepy.oci import lookup
from beepy.oci.admission import ImageSource
from beepy.oci.client import Client
from beepy.oci.descriptor import (
    MAX_MANIFEST,
    MAX_MOVED,
    Descriptor,
    check,
    parse_annotations,
    parse_object,
)
from beepy.oci.endpoints import own_endpoint
from beepy.oci.local import LocalImage, located, not_here
from beepy.oci.manifest import Index, Manifest, Read, parse
from beepy.oci.option_checks import checked
from beepy.oci.options import Options
from beepy.oci.pull import fetch_manifest
from beepy.oci.reference import has_host
from beepy.oci.reference import parse as parse_reference
from beepy.oci.referrers import of_registry
from beepy.oci.stored_referrers import referrers
from beepy.text import safe

_log = Log(__name__)

_DEFAULT = Options()


class Inspected(NamedTuple):
    """What is known of an image.

    ``top`` is the manifest or index, ``data`` its bytes, ``document`` the same parsed.
    ``annotations`` are those in it; ``subject`` is the digest of what it refers to, "" if nothing.
    ``config`` is the content of the config blob, None if there is none or it could not be read.
    ``referrers`` is None if they could not be listed.
    """

    name: str
    source: ImageSource
    top: Descriptor
    data: bytes
    document: Manifest | Index
    annotations: dict[str, str]
    subject: str
    config: bytes | None
    referrers: tuple[Descriptor, ...] | None


def inspect(text: str, options: Options = _DEFAULT) -> Inspected:
    """Look at the image ``text``, local or in its registry as ``options.pull`` says.

    No layer is read, and nothing stored. Raises ImageNotFound, UnsupportedImage, RegistryError,
    StoreError or DigestMismatch.
    """
    options = checked(options)
    is_forced = options.pull == "always"
    if not (has_host(text) and is_forced):
        with located(text, options, expand=not is_forced) as image:
            if image:
                return _stored(text, image)
    name = text if has_host(text) else lookup.expanded(text, options)
    if not name:
        raise not_here(text, options)
    if options.pull == "never":
        raise lookup.not_asked(name)
    reference, connected = own_endpoint(parse_reference(name), options)
    with Client(reference, connected) as client:
        top, data = fetch_manifest(client, reference.digest or reference.tag or "latest")

        def read(descriptor: Descriptor) -> bytes:
            url, name = client.blob_url(descriptor.digest), f"blob {descriptor.digest}"
            with client.get(url, name, size=descriptor.size) as response:
                data = client.http.read(response, descriptor.size, name)
            return check(data, descriptor, client.where)

        listed = _listed(client, top.digest)
        return _inspected(name, ImageSource.REGISTRY, top, data, read, listed)


def _stored(text: str, image: LocalImage) -> Inspected:
    data = image.blobs.read(image.top)
    listed = referrers(image.blobs, image.top.digest)
    return _inspected(text, image.source, image.top, data, image.blobs.read, listed)


def _inspected(  # noqa: PLR0917 - the parts of what is returned
    text: str,
    source: ImageSource,
    top: Descriptor,
    data: bytes,
    read: Read,
    listed: tuple[Descriptor, ...] | None,
) -> Inspected:
    where = safe(text[:200])
    document, body = parse(data, where, top.media_type, MAX_MOVED), parse_object(data, where)
    subject = body.get("subject")
    digest = subject.get("digest") if isinstance(subject, dict) else None
    return Inspected(
        name=text,
        source=source,
        top=top._replace(media_type=document.media_type),
        data=data,
        document=document,
        annotations=dict(parse_annotations(body.get("annotations"), where)),
        subject=digest if isinstance(digest, str) else "",
        config=_config(document, read) if isinstance(document, Manifest) else None,
        referrers=listed,
    )


def _config(manifest: Manifest, read: Read) -> bytes | None:
    if manifest.config is None or manifest.config.size > MAX_MANIFEST:
        return None
    try:
        return read(manifest.config)
    except ImageError as error:  # bee needs it, beepy does not
        _log.warning("%s", error)
        return None


def _listed(client: Client, digest: str) -> tuple[Descriptor, ...] | None:
    try:
        return of_registry(client, digest)
    except ImageError as error:
        _log.warning("%s", error)
        return None
