"""Write compiled objects into a store as one image, in bee's format."""

import json
from collections.abc import Mapping

from beepy.oci import lookup
from beepy.oci.descriptor import Descriptor, descriptor_of
from beepy.oci.formats import bee
from beepy.oci.manifest import OCI_INDEX, OCI_MANIFEST
from beepy.oci.store import Store
from beepy.toolchain.architectures import ARCHITECTURES


def write(
    store: Store, name: str, objects: Mapping[str, bytes], annotations: Mapping[str, str]
) -> str:
    """Write the object of each architecture, and name the image; return its digest.

    One object is a manifest, as bee writes it; several are an index of such manifests.
    """
    lookup.warn_if_bundled(name)
    if len(objects) == 1:
        ((architecture, program),) = objects.items()
        # in bee's words, which ``beepy list`` and ``bee list`` show; no registry gets it
        platform = {"architecture": ARCHITECTURES[architecture].machine, "os": "Linux"}
        return store.add_image(name, program, annotations, platform, artifact_type=bee.CONFIG)
    with store.layout.lease():
        manifests = [
            _entry(_add_manifest(store, program, annotations), architecture)
            for architecture, program in objects.items()
        ]
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
        return store.put(name, json.dumps(index, separators=(",", ":")).encode(), OCI_INDEX)


def _add_manifest(store: Store, program: bytes, annotations: Mapping[str, str]) -> Descriptor:
    manifest = bee.write_manifest(program, annotations, artifact_type=bee.CONFIG)
    for data in (bee.CONFIG_BODY, program, manifest):
        store.layout.add_blob(data, descriptor_of(data))
    return descriptor_of(manifest, OCI_MANIFEST)


def _entry(manifest: Descriptor, architecture: str) -> dict[str, object]:
    return {
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": manifest.size,
        "platform": {"architecture": architecture, "os": "linux"},
    }
