"""Manifests and indexes: untrusted JSON becomes values; the choice of a platform."""

import os
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from beepy.errors import UnsupportedImage
from beepy.log import Log
from beepy.oci.descriptor import (
    MAX_IMAGE,
    MAX_MANIFEST,
    Descriptor,
    architecture,
    parse_annotations,
    parse_descriptor,
    parse_object,
    parse_text,
    refuse_other_case,
)
from beepy.text import excerpt

_log = Log(__name__)

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
MEDIA_TYPES = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST)

OCI_PREFIX = "org.opencontainers.image."
"""What the names of OCI's own annotations begin with."""

CREATED = f"{OCI_PREFIX}created"
DESCRIPTION = f"{OCI_PREFIX}description"
TITLE = f"{OCI_PREFIX}title"
REF_NAME = f"{OCI_PREFIX}ref.name"
BASE_NAME = f"{OCI_PREFIX}base.name"
CONTAINERD_NAME = "io.containerd.image.name"
"""Of an index's entry: a full name, where REF_NAME can be a mere tag."""

_KEYS = (
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "annotations",
)
_MAX_LAYERS = 128
_MAX_MANIFESTS = 256

MAX_DEPTH = 2
"""How deep indexes may be nested."""

Read = Callable[[Descriptor], bytes]
"""Return a blob's verified bytes.

Raises StoreError, RegistryError, ImageNotFound or DigestMismatch.
"""


class Manifest(NamedTuple):
    """The parts of one image; ``config`` is None if there is none."""

    media_type: str
    artifact_type: str
    config: Descriptor | None
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str]

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Config and layers."""
        return (*((self.config,) if self.config else ()), *self.layers)


class Index(NamedTuple):
    """The manifests of one image, one for each platform."""

    media_type: str
    manifests: tuple[Descriptor, ...]


def parse(
    data: bytes, where: str, media_type: str = "", max_size: int = MAX_IMAGE
) -> Manifest | Index:
    """Parse a manifest or an index.

    ``media_type`` is its descriptor's; the ``mediaType`` in ``data`` takes precedence. Raises
    UnsupportedImage for what is neither, or could be taken for both, and for blobs of more than
    ``max_size`` bytes.
    """
    body = parse_object(data, where)
    refuse_other_case(body, _KEYS, where)
    kind = parse_text(body.get("mediaType"), f"{where}: mediaType") or media_type
    if "manifests" in body and ("layers" in body or "config" in body):
        raise UnsupportedImage(f"{where}: both a manifest and an index")
    if body.get("schemaVersion") != 2 or (kind and kind not in MEDIA_TYPES):
        version = excerpt(body.get("schemaVersion"))
        raise UnsupportedImage(
            f"{where}: unknown manifest: schema version {version}, media type '{excerpt(kind)}'"
        )
    if "manifests" in body:
        if kind not in (OCI_INDEX, DOCKER_LIST, ""):
            raise UnsupportedImage(f"{where}: an index with media type '{excerpt(kind)}'")
        children = _descriptors(body["manifests"], f"{where}: manifest", max_size)
        return Index(kind or OCI_INDEX, children)
    if kind in (OCI_INDEX, DOCKER_LIST):
        raise UnsupportedImage(f"{where}: not an index, but media type '{excerpt(kind)}'")
    config = body.get("config")
    layers = _descriptors(body.get("layers"), f"{where}: layer", max_size)
    manifest = Manifest(
        kind or OCI_MANIFEST,
        parse_text(body.get("artifactType"), f"{where}: artifactType"),
        None if config is None else parse_descriptor(config, f"{where}: config", max_size),
        layers,
        parse_annotations(body.get("annotations"), where),
    )
    if (size := sum(blob.size for blob in manifest.blobs)) > max_size:
        raise UnsupportedImage(f"{where}: {size} bytes of layers, at most {max_size} are allowed")
    return manifest


def _descriptors(values: object, where: str, max_size: int) -> tuple[Descriptor, ...]:
    if values is None:
        return ()
    if not isinstance(values, list):
        raise UnsupportedImage(f"{where}s: a list is expected")
    if len(values) > _MAX_LAYERS:
        raise UnsupportedImage(f"{where}s: {len(values)}, at most {_MAX_LAYERS} are allowed")
    return tuple(
        parse_descriptor(value, f"{where} {index}", max_size) for index, value in enumerate(values)
    )


def machine_platform() -> str:
    """Return the running machine's platform as images spell it, such as ``linux/amd64``."""
    return f"linux/{architecture(os.uname().machine)}"


def choose(index: Index, where: str, platform: str) -> Descriptor:
    """Return the index's manifest for ``platform`` (``os/architecture``).

    A single manifest for another platform is taken with a warning: bytecode is not machine code.
    Otherwise raises UnsupportedImage, which lists the platforms.
    """
    # attestations (of SBOM, provenance) have the platform unknown/unknown
    manifests = [child for child in index.manifests if not child.platform.startswith("unknown/")]
    for child in manifests:
        if child.platform == platform or child.platform.startswith(f"{platform}/"):
            return child
    if len(manifests) == 1:
        if manifests[0].platform:
            offered = excerpt(manifests[0].platform)
            _log.warning("%s: made for %s, not for %s", where, offered, platform)
        return manifests[0]
    platforms = [excerpt(child.platform or "unnamed", 30) for child in manifests[:16]]
    listed = ", ".join(platforms) or "none"
    raise UnsupportedImage(f"{where}: no image for {platform}: the index has {listed}")


def resolve(top: Descriptor, read: Read, where: str) -> tuple[Descriptor, Manifest]:
    """Follow ``top`` through indexes; return this machine's manifest and its descriptor."""
    descriptor = top
    for _ in range(MAX_DEPTH + 1):
        document = read_document(descriptor, read, where)
        if isinstance(document, Manifest):
            return descriptor, document
        descriptor = choose(document, where, machine_platform())
    raise UnsupportedImage(f"{where}: indexes nested more than {MAX_DEPTH} deep")


def read_document(
    descriptor: Descriptor, read: Read, where: str, max_size: int = MAX_IMAGE
) -> Manifest | Index:
    """Read and parse a manifest or an index; ``read`` is told that it is one."""
    if descriptor.size > MAX_MANIFEST:
        raise UnsupportedImage(
            f"{where}: manifest of {descriptor.size} bytes, at most {MAX_MANIFEST} are allowed"
        )
    is_named = descriptor.media_type in MEDIA_TYPES
    document = read(descriptor if is_named else descriptor._replace(media_type=OCI_MANIFEST))
    return parse(document, where, descriptor.media_type, max_size)


def walk(
    top: Descriptor, read: Read, where: str, max_size: int = MAX_IMAGE
) -> Iterator[tuple[Descriptor, Manifest | Index]]:
    """Yield all manifests and indexes that ``top`` leads to, each once: children first, it last."""
    seen: set[str] = set()

    def below(descriptor: Descriptor, depth: int) -> Iterator[tuple[Descriptor, Manifest | Index]]:
        if descriptor.digest in seen:
            return
        seen.add(descriptor.digest)
        if len(seen) > _MAX_MANIFESTS:
            raise UnsupportedImage(f"{where}: more than {_MAX_MANIFESTS} manifests")
        document = read_document(descriptor, read, where, max_size)
        if isinstance(document, Index):
            if depth == MAX_DEPTH:
                raise UnsupportedImage(f"{where}: indexes nested more than {MAX_DEPTH} deep")
            for child in document.manifests:
                yield from below(child, depth + 1)
        yield descriptor, document

    return below(top, 0)
