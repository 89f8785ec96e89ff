"""Images as Inspektor Gadget's tools write them."""

import pytest

from beepy.errors import UnsupportedImage
from beepy.oci.formats import gadget
from beepy.oci.manifest import OCI_INDEX, OCI_MANIFEST
from tests.support.blobs import Blobs, entry

ELF = b"\x7fELF program"
YAML = b"name: trace"


@pytest.fixture
def blobs() -> Blobs:
    return Blobs()


def manifest(
    blobs: Blobs, *layers: tuple[bytes, str], config: str = gadget.CONFIG
) -> dict[str, object]:
    """Return a manifest without a media type of its own."""
    return {
        "schemaVersion": 2,
        "artifactType": gadget.ARTIFACT,
        "config": entry(blobs.add(YAML, config)),
        "layers": [entry(blobs.add(data, kind)) for data, kind in layers],
    }


def test_an_index_of_manifests_without_a_media_type(blobs: Blobs) -> None:
    inner = blobs.add_json(manifest(blobs, (ELF, gadget.PROGRAM)), OCI_MANIFEST)
    platforms = [{"architecture": name, "os": "linux"} for name in ("amd64", "arm64")]
    top = blobs.add_json(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [entry(inner, platform=platform) for platform in platforms],
        },
        OCI_INDEX,
    )
    image = blobs.load(top)
    assert (image.format, image.programs) == ("gadget", (ELF,))
    assert image.hints == {gadget.METADATA: YAML, gadget.LAYERS: gadget.PROGRAM.encode()}


def test_a_wasm_module_is_named_and_not_read(blobs: Blobs) -> None:
    body = manifest(blobs, (ELF, gadget.PROGRAM), (b"\0asm", gadget.WASM))
    image = blobs.load(blobs.add_json(body))
    assert image.programs == (ELF,)
    assert image.hints[gadget.LAYERS].decode().split() == [gadget.PROGRAM, gadget.WASM]


def test_the_empty_config_is_no_metadata(blobs: Blobs) -> None:
    body = manifest(blobs, (ELF, gadget.PROGRAM), config="application/vnd.oci.empty.v1+json")
    assert gadget.METADATA not in blobs.load(blobs.add_json(body)).hints


@pytest.mark.parametrize("layers", [(), ((b"\0asm", gadget.WASM),)])
def test_a_gadget_without_a_program_is_refused(
    blobs: Blobs, layers: tuple[tuple[bytes, str], ...]
) -> None:
    with pytest.raises(UnsupportedImage, match="gadget image without an eBPF program: layers"):
        blobs.load(blobs.add_json(manifest(blobs, *layers)))
