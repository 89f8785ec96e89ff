import pytest

from beepy.errors import BeepyError
from beepy.oci.formats import bee
from beepy.oci.manifest import DOCKER_MANIFEST, OCI_MANIFEST, TITLE
from tests.support.blobs import Blobs, entry

ELF = b"\x7fELF program"


@pytest.fixture
def blobs() -> Blobs:
    return Blobs()


def test_bee_manifest_is_what_go_writes() -> None:
    annotations = {
        "org.opencontainers.image.description": 'a <b> & "c" \u2028 é',
        "org.opencontainers.image.authors": "x",
    }
    tail = bee.write_manifest(ELF, annotations).decode()
    assert tail.endswith(
        ',"annotations":{"org.opencontainers.image.authors":"x",'
        '"org.opencontainers.image.description":"a \\u003cb\\u003e \\u0026 \\"c\\" \\u2028 é"}}'
    )
    assert b'"annotations":{}' not in bee.write_manifest(ELF, {})


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, DOCKER_MANIFEST])
def test_more_than_bee_takes(blobs: Blobs, media_type: str) -> None:
    """No config, a program without a title, several programs, a foreign layer, docker's type."""
    foreign = entry(blobs.add(b"notes", "text/plain"))
    first = entry(blobs.add(ELF, bee.PROGRAM))
    second = entry(blobs.add(ELF + b"2", bee.PROGRAM), annotations={TITLE: "two"})
    top = blobs.add_json(
        {"schemaVersion": 2, "mediaType": media_type, "layers": [first, foreign, second]}
    )
    image = blobs.load(top)
    assert image.programs == (ELF, ELF + b"2")
    assert image.format == "bee"
    assert (image.program_names, image.hints) == (("", "two"), {})


def test_every_prefix_of_a_manifest_is_an_error_of_ours(blobs: Blobs) -> None:
    data = bee.write_manifest(ELF, {"a": "b"})
    for end in range(len(data)):
        with pytest.raises(BeepyError):
            blobs.load(blobs.add(data[:end]))
