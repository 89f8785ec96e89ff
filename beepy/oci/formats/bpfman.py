"""bpfman's format: a container image whose only layer holds an object, and labels for its programs.

::

    io.ebpf.programs  {"count": "xdp"}            functions, and the types that they are loaded as
    io.ebpf.maps      {"counts": "hash"}          which the object says itself
    before them       io.ebpf.program_type, io.ebpf.bpf_function_name or io.ebpf.program_name

Any container image without layers of its own format may be one without labels.
"""

import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from beepy.errors import UnsupportedImage
from beepy.file_bytes import ELF_MAGIC
from beepy.oci.descriptor import MAX_IMAGE, MAX_MANIFEST, Descriptor, parse_object, parse_text
from beepy.oci.image import Content, Program
from beepy.oci.manifest import Manifest, Read
from beepy.text import excerpt

PROGRAMS: Final = "io.ebpf.programs"
"""The label, and the hint: JSON, functions -> program types."""

_PREFIX: Final = "io.ebpf."
_TYPE: Final = "io.ebpf.program_type"
_NAMES: Final = ("io.ebpf.bpf_function_name", "io.ebpf.program_name")

_CONFIGS: Final = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
)
_OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
_DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar"
_MAX_PROGRAMS: Final = 1 << 12
_MAX_FILES: Final = 1 << 12  # of a layer
_MAX_MEMBERS: Final = 64  # of a gzip file
_MACHINE: Final = slice(18, 20)  # e_machine
_BPF: Final = ((247).to_bytes(2, "little"), (247).to_bytes(2, "big"))


def matches(manifest: Manifest, read: Read) -> bool:
    """Tell whether it is a container image with such labels, or with a single layer."""
    if manifest.config is None or manifest.config.media_type not in _CONFIGS:
        return False
    if [layer.media_type in _LAYERS for layer in manifest.layers] == [True]:
        return True
    try:
        return bool(_labels(manifest.config, read))
    except UnsupportedImage:
        return False


def content(manifest: Manifest, read: Read) -> Content:
    """Return the object in the layer, and the types of its programs as a hint."""
    labels = _labels(manifest.config, read) if manifest.config else {}
    layers = [layer for layer in manifest.layers if layer.media_type in _LAYERS]
    if len(manifest.layers) != 1 or not layers:
        kinds = ", ".join([excerpt(layer.media_type, 60) for layer in manifest.layers[:4]])
        raise UnsupportedImage(f"layers {kinds or 'none'}: expected one, a tar file")
    try:
        name, data = _object(_LAYERS[layers[0].media_type](read(layers[0])))
    except UnsupportedImage as error:
        if labels:
            raise UnsupportedImage(f"layer {layers[0].digest[:19]}: {error}") from None
        reason = f"a container image without labels {_PREFIX}*, and its layer: {error}"
        raise UnsupportedImage(f"no known eBPF image format: {reason}") from None
    types = _program_types(labels)
    hints = {PROGRAMS: json.dumps(types).encode()} if types else {}
    return Content((Program(name, data),), hints)


def _labels(config: Descriptor, read: Read) -> Mapping[str, str]:
    """Return the labels of the config that are about eBPF. Raises UnsupportedImage."""
    if config.size > MAX_MANIFEST:
        raise UnsupportedImage(f"config of {config.size} bytes, at most {MAX_MANIFEST} are taken")
    body = parse_object(read(config), "config").get("config")
    labels = body.get("Labels") if isinstance(body, dict) else None
    if not isinstance(labels, dict):
        return {}
    return {
        name: parse_text(value, f"label {excerpt(name)}")
        for name, value in labels.items()
        if name.startswith(_PREFIX)
    }


def _program_types(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Return the types of programs by function, {} if no label has them."""
    if PROGRAMS in labels:
        where = f"label {PROGRAMS}"
        types = parse_object(labels[PROGRAMS].encode("utf-8", "surrogatepass"), where)
        if len(types) > _MAX_PROGRAMS:
            raise UnsupportedImage(f"{where}: {len(types)} programs, at most {_MAX_PROGRAMS}")
        return {name: parse_text(kind, f"{where}: {excerpt(name)}") for name, kind in types.items()}
    name = next((labels[label] for label in _NAMES if labels.get(label)), "")
    return {name: labels[_TYPE]} if name and labels.get(_TYPE) else {}


def _plain(unpacked: bytes) -> bytes:
    return unpacked


def _of_zstd(packed: bytes) -> bytes:
    """Return what frames of zstd hold, whose size is bounded. Raises UnsupportedImage."""
    from beepy import zstd  # noqa: PLC0415 - few images are compressed by it

    unpacked = zstd.decompress_all(packed, MAX_IMAGE, UnsupportedImage, "malformed zstd")
    if len(unpacked) > MAX_IMAGE:
        raise UnsupportedImage(f"unpacks to more than {MAX_IMAGE} bytes")
    return unpacked


def _of_gzip(packed: bytes) -> bytes:
    """Return what a gzip file holds, whose size is bounded. Raises UnsupportedImage."""
    unpacked: list[bytes] = []
    left = MAX_IMAGE
    for _ in range(_MAX_MEMBERS):
        unpacker = zlib.decompressobj(wbits=31)  # a header of gzip is expected
        try:
            unpacked.append(unpacker.decompress(packed, left + 1))
        except zlib.error as error:
            raise UnsupportedImage(f"malformed gzip: {excerpt(error)}") from None
        left -= len(unpacked[-1])
        if left < 0:
            raise UnsupportedImage(f"unpacks to more than {MAX_IMAGE} bytes")
        if not unpacker.eof:
            raise UnsupportedImage("malformed gzip: ends too early")
        packed = unpacker.unused_data
        if not packed.strip(b"\0"):
            return b"".join(unpacked)
    raise UnsupportedImage(f"malformed gzip: more than {_MAX_MEMBERS} members")


_LAYERS: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    _OCI_LAYER: _plain,
    f"{_OCI_LAYER}+gzip": _of_gzip,
    f"{_OCI_LAYER}+zstd": _of_zstd,
    _DOCKER_LAYER: _plain,
    f"{_DOCKER_LAYER}.gzip": _of_gzip,
    f"{_DOCKER_LAYER}.zstd": _of_zstd,
}
"""Media types of layers, each with what makes a tar file of one."""


def _object(unpacked: bytes) -> tuple[str, bytes]:
    """Return name and bytes of the only object in a tar file. Raises UnsupportedImage."""
    objects = list(_objects(unpacked))
    if len(objects) == 1:
        return objects[0]
    names = ", ".join([excerpt(name, 40) for name, _ in objects[:4]])
    raise UnsupportedImage(f"{names or 'no file'}: expected one ELF object of eBPF")


def _objects(unpacked: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the objects in a tar file: regular files by their magic; names are no paths here."""
    import tarfile  # noqa: PLC0415 - few images are one
    from io import BytesIO  # noqa: PLC0415

    try:
        with tarfile.open(fileobj=BytesIO(unpacked), mode="r:") as archive:
            for number, member in enumerate(archive):
                if number >= _MAX_FILES:
                    raise UnsupportedImage(f"more than {_MAX_FILES} files")
                # a sparse file: a few bytes that may claim to be any size
                content = None if member.issparse() or not member.isreg() else member
                if content and (file := archive.extractfile(content)):
                    head = file.read(_MACHINE.stop)
                    if head.startswith(ELF_MAGIC) and head[_MACHINE] in _BPF:
                        yield member.name, head + file.read()
    except (tarfile.TarError, EOFError, ValueError, OSError, RecursionError) as error:
        raise UnsupportedImage(f"malformed tar: {excerpt(error)}") from None
