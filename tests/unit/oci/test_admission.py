import pytest

from beepy.errors import DigestMismatch
from beepy.oci.admission import ImageSource, admit, candidate, file_candidate
from beepy.oci.descriptor import Descriptor, digest_of
from beepy.oci.manifest import OCI_INDEX, OCI_MANIFEST
from tests.support.blobs import Blobs, entry

ELF = b"\x7fELF program"


def test_an_index_and_its_manifest_are_what_a_digest_can_ask_for() -> None:
    blobs = Blobs()
    manifest = blobs.add_image(ELF)
    index = blobs.add_json({"schemaVersion": 2, "manifests": [entry(manifest)]}, OCI_INDEX)
    for digest in ("", manifest.digest, index.digest):
        assert blobs.load(index, digest).digest == manifest.digest
    with pytest.raises(DigestMismatch, match=f"x: content is {index.digest}, expected sha256:0"):
        blobs.load(index, f"sha256:{64 * '0'}")


def test_no_program_of_a_refused_image_is_read() -> None:
    blobs = Blobs()
    top = blobs.add_image(ELF)
    read: list[str] = []

    def note(descriptor: Descriptor) -> bytes:
        read.append(descriptor.media_type)
        return blobs.read(descriptor)

    found = candidate("x", ImageSource.REGISTRY, top, note)
    with pytest.raises(DigestMismatch):
        admit(found, digest_of(b"other"))
    assert read == [OCI_MANIFEST]


def test_a_file_is_known_by_its_own_digest() -> None:
    found = file_candidate("./x.o", ELF)
    assert (found.source, found.manifest) == (ImageSource.FILE, None)
    image = admit(found, digest_of(ELF))
    assert (image.format, image.digest, image.programs) == ("elf", digest_of(ELF), (ELF,))
