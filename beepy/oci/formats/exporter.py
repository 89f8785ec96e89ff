"""ebpf_exporter's pairs: NAME.yaml says what the maps of NAME.bpf.o mean.

They are two files in one directory, or the two layers of an artifact, which is beepy's own form::

    artifactType   application/vnd.beepy.exporter.v1
    config         application/vnd.oci.empty.v1+json             {}
    layers         application/vnd.beepy.exporter.config.v1+yaml   title NAME.yaml
                   application/vnd.beepy.exporter.object.v1+elf    title NAME.bpf.o

Files are used as the artifact that ``beepy push`` makes of them: one digest covers both.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from beepy.errors import ImageNotFound, UnsupportedImage
from beepy.file_bytes import ELF_MAGIC
from beepy.oci.descriptor import MAX_IMAGE, descriptor_of
from beepy.oci.image import Content, Program
from beepy.oci.manifest import OCI_MANIFEST, TITLE, Manifest, Read
from beepy.text import safe

ARTIFACT: Final = "application/vnd.beepy.exporter.v1"
CONFIG: Final = "application/vnd.beepy.exporter.config.v1+yaml"
OBJECT: Final = "application/vnd.beepy.exporter.object.v1+elf"

_EMPTY: Final = "application/vnd.oci.empty.v1+json"
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DEFAULT_NAME: Final = "exporter"  # of a layer without a title
_YAML: Final = ".yaml"
_OBJECT: Final = ".bpf.o"


def matches(manifest: Manifest, _read: Read) -> bool:
    """Tell whether the layers are a pair."""
    return sorted(layer.media_type for layer in manifest.layers) == [CONFIG, OBJECT]


def content(manifest: Manifest, read: Read) -> Content:
    """Return the object, with the hints ``config`` (the YAML) and ``name`` (of its file)."""
    config, program = sorted(manifest.layers, key=lambda layer: layer.media_type)
    name = config.annotations.get(TITLE, "").removesuffix(_YAML)
    if not _NAME.fullmatch(name):
        name = _DEFAULT_NAME
    return Content(
        (Program(program.annotations.get(TITLE, ""), read(program)),),
        {"config": read(config), "name": name.encode()},
    )


def file_matches(name: str, _head: bytes) -> bool:
    """Tell whether a file has the ending of YAML."""
    return name.endswith(_YAML)


def file_image(name: str, data: bytes) -> tuple[bytes, Mapping[str, bytes]]:
    """Return the manifest of the artifact of two files, and its blobs by digest.

    Raises ImageNotFound if the object is not beside the YAML.
    """
    path = Path(name)
    program = _read_object(name.removesuffix(_YAML) + _OBJECT, name)
    stem = path.name.removesuffix(_YAML)
    config = b"{}"
    layers = [(CONFIG, data, stem + _YAML), (OBJECT, program, stem + _OBJECT)]
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": ARTIFACT,
        "config": descriptor_of(config, _EMPTY).entry(),
        "layers": [
            {**descriptor_of(blob, kind).entry(), "annotations": {TITLE: title}}
            for kind, blob, title in layers
        ],
    }
    blobs = {descriptor_of(blob).digest: blob for blob in (config, data, program)}
    return json.dumps(body, separators=(",", ":")).encode(), blobs


def _read_object(name: str, config: str) -> bytes:
    from beepy.oci.image_file import opened  # noqa: PLC0415 - it imports the formats

    where = safe(name[:200])
    with opened(name) as stream:
        if stream is None:
            raise ImageNotFound(f"{where}: no such file: the object of {safe(config[:200])}")
        data = stream.read(MAX_IMAGE + 1)
    if len(data) > MAX_IMAGE:
        raise UnsupportedImage(f"{where}: more than {MAX_IMAGE} bytes")
    if not data.startswith(ELF_MAGIC):
        raise UnsupportedImage(f"{where}: not an ELF object")
    return data
