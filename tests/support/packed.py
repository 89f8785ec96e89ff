"""Images in formats of other projects, packed of objects of our own."""

import base64
import gzip
import io
import json
import tarfile
import zlib
from collections.abc import Mapping
from typing import Final, Protocol

from beepy.oci.descriptor import Descriptor, descriptor_of
from beepy.oci.manifest import OCI_INDEX, OCI_MANIFEST
from beepy.oci.store import Store
from tests.support.blobs import entry

OCI: Final = (
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.oci.image.layer.v1.tar+gzip",
)
DOCKER: Final = (
    "application/vnd.docker.container.image.v1+json",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
)
WASM: Final = (
    "application/vnd.wasm.config.v1+json",
    "application/vnd.wasm.content.layer.v1+wasm",
)


class Place(Protocol):
    """Where blobs go."""

    def add(self, data: bytes, media_type: str = "") -> Descriptor:
        """Add a blob."""


class Stored:
    """Blobs of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, data: bytes, media_type: str = "") -> Descriptor:
        descriptor = descriptor_of(data, media_type)
        self._store.layout.add_blob(data, descriptor)
        return descriptor


def tar(files: Mapping[str, bytes]) -> bytes:
    """Return a tar file in gzip, as a layer of a container image is."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return gzip.compress(buffer.getvalue())


def manifest(
    place: Place,
    types: tuple[str, str],
    config: object,
    *layers: bytes,
    media_type: str = OCI_MANIFEST,
) -> bytes:
    """Return the manifest of an image with these blobs; the types are of the config, of layers."""
    body = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": entry(place.add(json.dumps(config).encode(), types[0])),
        "layers": [entry(place.add(layer, types[1])) for layer in layers],
    }
    return json.dumps(body).encode()


def labeled(labels: Mapping[str, str] | None) -> object:
    """Return the config of a container image, as docker and buildah write it."""
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Labels": labels} if labels else {},
        "rootfs": {"type": "layers", "diff_ids": []},
    }


def bpfman(
    place: Place, program: bytes, types: Mapping[str, str], maps: Mapping[str, str] | None = None
) -> bytes:
    """Return the manifest of an image of bpfman."""
    labels = {"io.ebpf.programs": json.dumps(types), "io.ebpf.maps": json.dumps(maps or {})}
    return manifest(place, OCI, labeled(labels), tar({"program.bpf.o": program}))


def index(place: Place, children: Mapping[str, bytes], media_type: str = OCI_INDEX) -> bytes:
    """Return an index of manifests by architecture."""
    manifests = [
        entry(place.add(child, OCI_MANIFEST), platform={"os": "linux", "architecture": name})
        for name, child in children.items()
    ]
    body = {"schemaVersion": 2, "mediaType": media_type, "manifests": manifests}
    return json.dumps(body).encode()


def package(program: bytes, meta: object, /, **changes: object) -> bytes:
    """Return a package.json of eunomia-bpf, with other members than usual."""
    body = {
        "bpf_object": base64.b64encode(zlib.compress(program)).decode(),
        "bpf_object_size": len(program),
        "meta": meta,
    }
    return json.dumps({**body, **changes}).encode()
