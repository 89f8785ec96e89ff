"""BumbleBee's format: each layer of one media type is a program; there is nothing beside them."""

import json
from collections.abc import Mapping

from beepy.oci.descriptor import Descriptor, digest_of
from beepy.oci.image import Content, Program
from beepy.oci.manifest import TITLE, Manifest, Read

CONFIG = "application/ebpf.oci.image.config.v1+json"
PROGRAM = "application/ebpf.oci.image.program.v1+binary"
CONFIG_BODY = b"{}"


def matches(manifest: Manifest, _read: Read) -> bool:
    """Tell whether a layer has bee's media type of programs."""
    return bool(_programs(manifest))


def content(manifest: Manifest, read: Read) -> Content:
    """Return the programs, named by their layers' titles."""
    layers = _programs(manifest)
    return Content(
        tuple(Program(layer.annotations.get(TITLE, ""), read(layer)) for layer in layers)
    )


def write_manifest(
    program: bytes, annotations: Mapping[str, str], artifact_type: str = ""
) -> bytes:
    """Return the manifest that bee writes for one program, byte for byte.

    Annotations are sorted; the key is absent if there are none. bee writes no ``artifact_type``,
    and ignores it; CONFIG is what OCI 1.1 takes for the type of bee's own images.
    """
    body: dict[str, object] = {
        "schemaVersion": 2,
        **({"artifactType": artifact_type} if artifact_type else {}),
        "config": _descriptor(CONFIG, CONFIG_BODY, "config.json"),
        "layers": [_descriptor(PROGRAM, program, "program.o")],
    }
    if annotations:
        body["annotations"] = dict(sorted(annotations.items()))
    return _go_json(body)


def _programs(manifest: Manifest) -> list[Descriptor]:
    return [layer for layer in manifest.layers if layer.media_type == PROGRAM]


def _descriptor(media_type: str, data: bytes, title: str) -> dict[str, object]:
    return {
        "mediaType": media_type,
        "digest": digest_of(data),
        "size": len(data),
        "annotations": {TITLE: title},
    }


def _go_json(value: object) -> bytes:
    """Encode as Go's encoding/json does: compact, UTF-8, with what HTML could misread escaped."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text.encode()
