"""Blobs in memory, read as a store reads them, and images made of them."""

import json

from beepy.oci.admission import ImageSource, admit, candidate
from beepy.oci.descriptor import Descriptor, check, descriptor_of
from beepy.oci.formats import bee
from beepy.oci.image import Image
from beepy.oci.manifest import OCI_MANIFEST


class Blobs(dict[str, bytes]):
    """Blobs by digest."""

    def add(self, data: bytes, media_type: str = "") -> Descriptor:
        descriptor = descriptor_of(data, media_type)
        self[descriptor.digest] = data
        return descriptor

    def add_json(self, value: object, media_type: str = "") -> Descriptor:
        return self.add(json.dumps(value).encode(), media_type)

    def add_image(self, *programs: bytes, **more: object) -> Descriptor:
        """Add an image in bee's format; return its manifest's descriptor."""
        layers = [entry(self.add(program, bee.PROGRAM)) for program in programs]
        return self.add_json({"schemaVersion": 2, "layers": layers, **more}, OCI_MANIFEST)

    def read(self, descriptor: Descriptor) -> bytes:
        return check(self[descriptor.digest], descriptor, "test")

    def load(self, top: Descriptor, digest: str = "") -> Image:
        """Return the image that ``top`` leads to."""
        return admit(candidate("x", ImageSource.REGISTRY, top, self.read), digest)


def entry(descriptor: Descriptor, **more: object) -> dict[str, object]:
    """Return a descriptor as manifests have it."""
    return {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": descriptor.size,
        **more,
    }
