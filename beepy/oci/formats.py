"""What a manifest is: one row of TABLE for each image format.

A format is told by its manifest, and reads what it needs through ``read``, which verifies: so the same row serves a
store, an archive and a registry.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from beepy.errors import UnsupportedImage
from beepy.log import Log
from beepy.oci.descriptor import (
    MAX_IMAGE,
    MAX_MANIFEST,
    Descriptor,
    architecture,
    digest_of,
    parse_annotations,
    parse_descriptor,
    parse_object,
    parse_text,
    refuse_other_case,
)
from beepy.oci.image import Image
from beepy.text import excerpt

_log = Log(__name__)

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
MANIFESTS = (OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST)

BEE_CONFIG = "application/ebpf.oci.image.config.v1+json"
BEE_PROGRAM = "application/ebpf.oci.image.program.v1+binary"
BEE_CONFIG_BODY = b"{}"

CREATED = "org.opencontainers.image.created"
DESCRIPTION = "org.opencontainers.image.description"
TITLE = "org.opencontainers.image.title"
REF_NAME = "org.opencontainers.image.ref.name"

_KEYS = ("schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "annotations")
_MAX_LAYERS = 128
_MAX_DEPTH = 2

Read = Callable[[Descriptor], bytes]
"""Return a blob's verified bytes; raises StoreError, RegistryError, ImageNotFound or DigestMismatch."""


class Manifest(NamedTuple):
    """One image's parts; ``config`` is None where there is none."""

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
    """The same image for several platforms."""

    media_type: str
    manifests: tuple[Descriptor, ...]


class Format(NamedTuple):
    """What one image format means.

    ``matches`` may read the config, ``programs`` returns the ELF objects in the manifest's order, ``hints`` what the
    format carries beside them.
    """

    name: str
    matches: Callable[[Manifest, Read], bool]
    programs: Callable[[Manifest, Read], tuple[bytes, ...]]
    hints: Callable[[Manifest, Read], Mapping[str, bytes]]


def _has_bee_program(manifest: Manifest, _read: Read) -> bool:
    return any(layer.media_type == BEE_PROGRAM for layer in manifest.layers)


def _bee_programs(manifest: Manifest, read: Read) -> tuple[bytes, ...]:
    return tuple(read(layer) for layer in manifest.layers if layer.media_type == BEE_PROGRAM)


def _no_hints(_manifest: Manifest, _read: Read) -> Mapping[str, bytes]:
    return {}


TABLE = (Format("bee", _has_bee_program, _bee_programs, _no_hints),)


def parse(data: bytes, where: str, media_type: str = "") -> Manifest | Index:
    """Read a manifest or an index; ``media_type`` is what its descriptor calls it, its own word is stronger.

    Raises UnsupportedImage for what is neither, or could be taken for both.
    """
    body = parse_object(data, where)
    refuse_other_case(body, _KEYS, where)
    kind = parse_text(body.get("mediaType"), f"{where}: mediaType") or media_type
    if "manifests" in body and ("layers" in body or "config" in body):
        raise UnsupportedImage(f"{where}: both a manifest and an index")
    if body.get("schemaVersion") != 2 or (kind and kind not in MANIFESTS):
        version = excerpt(body.get("schemaVersion"))
        raise UnsupportedImage(f"{where}: unknown manifest: schema version {version}, media type '{excerpt(kind)}'")
    if "manifests" in body:
        if kind not in (OCI_INDEX, DOCKER_LIST, ""):
            raise UnsupportedImage(f"{where}: an index that is called '{excerpt(kind)}'")
        children = _descriptors(body["manifests"], f"{where}: manifest")
        return Index(kind or OCI_INDEX, children)
    if kind in (OCI_INDEX, DOCKER_LIST):
        raise UnsupportedImage(f"{where}: no index, but called '{excerpt(kind)}'")
    config = body.get("config")
    layers = _descriptors(body.get("layers"), f"{where}: layer")
    manifest = Manifest(
        kind or OCI_MANIFEST,
        parse_text(body.get("artifactType"), f"{where}: artifactType"),
        None if config is None else parse_descriptor(config, f"{where}: config"),
        layers,
        parse_annotations(body.get("annotations"), where),
    )
    if (size := sum(blob.size for blob in manifest.blobs)) > MAX_IMAGE:
        raise UnsupportedImage(f"{where}: {size} bytes of layers, at most {MAX_IMAGE} are taken")
    return manifest


def _descriptors(values: object, where: str) -> tuple[Descriptor, ...]:
    if values is None:
        return ()
    if not isinstance(values, list):
        raise UnsupportedImage(f"{where}s: a list is expected")
    if len(values) > _MAX_LAYERS:
        raise UnsupportedImage(f"{where}s: {len(values)}, at most {_MAX_LAYERS} are taken")
    return tuple(parse_descriptor(value, f"{where} {index}") for index, value in enumerate(values))


def machine_platform() -> str:
    """Return the running machine's platform in the images' words, such as ``linux/amd64``."""
    return f"linux/{architecture(os.uname().machine)}"


def choose(index: Index, where: str, platform: str) -> Descriptor:
    """Return the index's manifest for ``platform`` (``os/architecture``).

    A single manifest of another platform is taken with a warning: bytecode is not machine code. Raises
    UnsupportedImage that lists the platforms otherwise.
    """
    images = [child for child in index.manifests if not child.platform.startswith("unknown/")]  # attestations
    for child in images:
        if child.platform == platform or child.platform.startswith(f"{platform}/"):
            return child
    if len(images) == 1:
        if images[0].platform:
            _log.warning("%s: made for %s, not for %s", where, excerpt(images[0].platform), platform)
        return images[0]
    offered = ", ".join(excerpt(child.platform or "unnamed", 30) for child in images[:16]) or "none"
    raise UnsupportedImage(f"{where}: no image for {platform}: the index has {offered}")


def resolve(top: Descriptor, read: Read, where: str) -> tuple[Descriptor, Manifest]:
    """Follow ``top`` through indexes to the manifest for this machine; return it with its descriptor."""
    for _ in range(_MAX_DEPTH + 1):
        if top.size > MAX_MANIFEST:
            raise UnsupportedImage(f"{where}: manifest of {top.size} bytes, at most {MAX_MANIFEST} are taken")
        found = parse(read(top), where, top.media_type)
        if isinstance(found, Manifest):
            return top, found
        top = choose(found, where, machine_platform())
    raise UnsupportedImage(f"{where}: indexes nested more than {_MAX_DEPTH} deep")


def detect(manifest: Manifest, read: Read, where: str) -> Format:
    """Return the row of TABLE that fits; raise UnsupportedImage naming the media types seen."""
    for row in TABLE:
        if row.matches(manifest, read):
            return row
    layers = _listing(layer.media_type for layer in manifest.layers)
    config = excerpt(manifest.config.media_type) if manifest.config else "none"
    artifact = f", artifact type {excerpt(manifest.artifact_type)}" if manifest.artifact_type else ""
    raise UnsupportedImage(f"{where}: no known eBPF image format: config {config}{artifact}, layers {layers}")


def _listing(types: Iterable[str]) -> str:
    seen = list(dict.fromkeys(excerpt(text) or "unnamed" for text in types))
    return ", ".join(seen[:8] + ["..."] * (len(seen) > 8)) or "none"


def load(name: str, top: Descriptor, read: Read) -> Image:
    """Return the image that ``top`` leads to; every byte of it comes from ``read``."""
    descriptor, manifest = resolve(top, read, excerpt(name, 200))
    row = detect(manifest, read, excerpt(name, 200))
    return Image(
        name,
        descriptor.digest,
        descriptor.platform or top.platform,
        manifest.annotations,
        descriptor.size + sum(blob.size for blob in manifest.blobs),
        row.name,
        row.hints(manifest, read),
        row.programs(manifest, read),
    )


def _go_json(value: object) -> bytes:
    """Encode as Go's encoding/json does: compact, UTF-8, with what HTML could misread escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text.encode()


def _bee_part(media_type: str, data: bytes, title: str) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data), "annotations": {TITLE: title}}


def bee_manifest(program: bytes, annotations: Mapping[str, str]) -> bytes:
    """Return the manifest that bee writes for one program, byte for byte; annotations are sorted, none when empty."""
    body: dict[str, object] = {
        "schemaVersion": 2,
        "config": _bee_part(BEE_CONFIG, BEE_CONFIG_BODY, "config.json"),
        "layers": [_bee_part(BEE_PROGRAM, program, "program.o")],
    }
    if annotations:
        body["annotations"] = dict(sorted(annotations.items()))
    return _go_json(body)
