"""eunomia-bpf's format, of ecc and ecli: a package in JSON, as a file or as an artifact's layer.

::

    {"bpf_object": base64(zlib(ELF)), "bpf_object_size": bytes, "meta": {...}}

ecli also takes WASM modules, which carry such a package and programs of user space: not beepy.
"""

import binascii
import json
import zlib
from collections.abc import Mapping
from typing import Final

from beepy.errors import UnsupportedImage
from beepy.file_bytes import ELF_MAGIC
from beepy.oci.descriptor import MAX_IMAGE, descriptor_of, parse_object
from beepy.oci.image import Content, Program
from beepy.oci.manifest import OCI_MANIFEST, Manifest, Read
from beepy.text import excerpt, safe

LAYER: Final = "application/vnd.wasm.content.layer.v1+wasm"

_CONFIG: Final = "application/vnd.wasm.config.v1+json"

META: Final = "meta"
"""The hint: what the package says of the object, as JSON."""

_WASM: Final = b"\0asm"
_MAX_PACKAGE: Final = 8 << 20  # bytes; an object of 2 MB takes one


def matches(manifest: Manifest, _read: Read) -> bool:
    """Tell whether a layer has the media type of WASM modules, under which packages are kept."""
    return any(layer.media_type == LAYER for layer in manifest.layers)


def content(manifest: Manifest, read: Read) -> Content:
    """Return the object in the package, and what it says of it."""
    if len(manifest.layers) != 1:
        raise UnsupportedImage(f"{len(manifest.layers)} layers: expected one, a package.json")
    (layer,) = manifest.layers
    return _content(read(layer))


def file_matches(name: str, head: bytes) -> bool:
    """Tell whether a file is a WASM module, or JSON that may be a package."""
    is_object = head.lstrip().startswith(b"{")
    return head.startswith(_WASM) or (
        is_object and (name.endswith(".json") or b'"bpf_object"' in head)
    )


def file_image(name: str, data: bytes) -> tuple[bytes, Mapping[str, bytes]]:
    """Return the manifest of the artifact of a package, as ecli pushes it, and its blobs by digest.

    Raises UnsupportedImage if it is no package.
    """
    try:
        _content(data)
    except UnsupportedImage as error:
        raise UnsupportedImage(f"{safe(name[:200])}: {error}") from None
    config = b"{}"
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor_of(config, _CONFIG).entry(),
        "layers": [descriptor_of(data, LAYER).entry()],
    }
    blobs = {descriptor_of(blob).digest: blob for blob in (config, data)}
    return json.dumps(body, separators=(",", ":")).encode(), blobs


def _content(data: bytes) -> Content:
    if data.startswith(_WASM):
        raise UnsupportedImage("a WASM module: beepy runs eBPF objects and package.json, no WASM")
    if len(data) > _MAX_PACKAGE:
        raise UnsupportedImage(f"package of {len(data)} bytes, at most {_MAX_PACKAGE} are taken")
    package = parse_object(data, "package")
    if "bpf_object" not in package:
        raise UnsupportedImage("package: no bpf_object: not a package of eunomia-bpf")
    meta = package.get("meta")
    if not isinstance(meta, dict):
        raise UnsupportedImage(f"package: meta: an object is expected, not {excerpt(meta)}")
    program = _inflated(package["bpf_object"], package.get("bpf_object_size"))
    try:
        hint = json.dumps(meta).encode()
    except RecursionError:
        raise UnsupportedImage("package: meta: nested too deeply") from None
    return Content((Program("", program),), {META: hint})


def _inflated(text: object, size: object) -> bytes:
    """Return the object, which must have the size that the package says."""
    where = "package: bpf_object"
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= MAX_IMAGE:
        raise UnsupportedImage(f"{where}_size {excerpt(size)}: not from 1 to {MAX_IMAGE}")
    if not isinstance(text, str):
        raise UnsupportedImage(f"{where}: a string is expected, not {excerpt(text)}")
    unpacker = zlib.decompressobj()
    try:
        packed = binascii.a2b_base64(text, strict_mode=True)
        program = unpacker.decompress(packed, size + 1)
    except (ValueError, zlib.error) as error:  # binascii.Error is a ValueError
        raise UnsupportedImage(f"{where}: not base64 of zlib: {excerpt(error)}") from None
    if len(program) != size or not unpacker.eof:
        unpacked = f"{len(program)} bytes" if len(program) < size else f"more than {size} bytes"
        raise UnsupportedImage(f"{where}: unpacks to {unpacked}, bpf_object_size is {size}")
    if not program.startswith(ELF_MAGIC):
        raise UnsupportedImage(f"{where}: not an ELF object")
    return program
