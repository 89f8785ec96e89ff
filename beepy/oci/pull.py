"""From a registry into a store; a store that cannot be written need not be in the way."""

from beepy.errors import ImageNotFound, StoreError
from beepy.log import Log
from beepy.oci import formats
from beepy.oci.descriptor import MAX_MANIFEST, Descriptor
from beepy.oci.image import Image
from beepy.oci.options import Options
from beepy.oci.reference import Reference
from beepy.oci.registry import Client
from beepy.oci.store import Store, is_unwritable
from beepy.text import safe

_log = Log(__name__)


def pull(reference: Reference, name: str, store: Store, options: Options, *, keep: bool = True) -> Image:
    """Fetch an image into ``store`` as ``name`` and return it.

    Blobs come first, then the manifest, then the name: a pull that fails leaves the names as they
    were. With ``keep`` all layers are fetched. Without, those that the image's format uses (then the
    entry is partial, until a pull fetches the others), and a store that cannot be written is only
    warned of: the image, checked like any other, stays in memory. Raises ImageNotFound,
    UnsupportedImage (before any layer is fetched), DigestMismatch, RegistryError or StoreError.
    """
    with Client(reference, options) as client:
        top, data = client.manifest(reference.digest or reference.tag or "latest")
        in_memory = {top.digest: data}
        refusals: list[StoreError] = []  # of the store; after the first it is left alone

        def refused(error: StoreError) -> None:
            if keep or not is_unwritable(error):
                raise error
            _log.warning("%s: %s is not kept; --storage DIR names another store", error, safe(name))
            refusals.append(error)

        def read(descriptor: Descriptor) -> bytes:
            if descriptor.digest in in_memory:
                return in_memory[descriptor.digest]
            if not refusals:
                try:
                    if not store.has(descriptor):
                        client.fetch(descriptor, store)
                    return store.read(descriptor)
                except StoreError as error:
                    refused(error)
            in_memory[descriptor.digest] = client.blob(descriptor)
            return in_memory[descriptor.digest]

        image = formats.load(name, top, read)
        _, manifest = formats.resolve(top, read, str(reference))
        for layer in manifest.layers if keep else ():
            read(layer)
        if manifest.config and not refusals and (keep or manifest.config.size <= MAX_MANIFEST):
            try:
                read(manifest.config)
            except ImageNotFound as error:  # bee needs it, we do not
                _log.warning("%s", error)
        if not refusals:
            try:
                store.put(name, data, top.media_type)
            except StoreError as error:
                refused(error)
        _log.info("%s: pulled %s", reference, top.digest)
        return image
