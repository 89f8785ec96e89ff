"""ebpf_exporter's pairs: two files, or an artifact with two layers; one digest covers both."""

from pathlib import Path

import pytest

from beepy.errors import ImageNotFound, UnsupportedImage, UntrustedImage
from beepy.oci import policy
from beepy.oci.formats import exporter
from beepy.oci.lookup import Options, find
from beepy.oci.manifest import OCI_MANIFEST, TITLE
from tests.support.blobs import Blobs, entry

ELF = b"\x7fELF program"
YAML = b"metrics: {}\n"


def pair(directory: Path, yaml: bytes = YAML, elf: bytes = ELF) -> str:
    (directory / "my-pair.yaml").write_bytes(yaml)
    (directory / "my-pair.bpf.o").write_bytes(elf)
    return str(directory / "my-pair.yaml")


def test_two_files(tmp_path: Path) -> None:
    image = find(pair(tmp_path))
    assert (image.format, image.programs, image.program_names) == (
        "exporter",
        (ELF,),
        ("my-pair.bpf.o",),
    )
    assert image.hints == {"config": YAML, "name": b"my-pair"}


def test_the_digest_covers_both(tmp_path: Path) -> None:
    digests = {
        find(pair(tmp_path, yaml, elf)).digest
        for yaml, elf in ((YAML, ELF), (YAML + b"#", ELF), (YAML, ELF + b"2"))
    }
    assert len(digests) == 3


def test_a_policy_decides_about_both(tmp_path: Path) -> None:
    refusing = policy.parse({"file": "refuse"}, "policy", tmp_path)
    accepting = policy.parse({"file": "accept"}, "policy", tmp_path)
    with pytest.raises(UntrustedImage):
        find(pair(tmp_path), Options(policy=refusing))
    assert find(pair(tmp_path), Options(policy=accepting)).programs == (ELF,)


@pytest.mark.parametrize("media_types", [(exporter.CONFIG, exporter.OBJECT), None])
def test_an_artifact(media_types: tuple[str, str] | None) -> None:
    blobs = Blobs()
    config, program = media_types or (exporter.CONFIG, exporter.OBJECT)
    layers = [
        entry(blobs.add(ELF, program), annotations={TITLE: "x.bpf.o"}),
        entry(blobs.add(YAML, config), annotations={TITLE: "x.yaml"} if media_types else {}),
    ]
    image = blobs.load(blobs.add_json({"schemaVersion": 2, "layers": layers}, OCI_MANIFEST))
    assert (image.format, image.programs) == ("exporter", (ELF,))
    name = b"x" if media_types else b"exporter"
    assert image.hints == {"config": YAML, "name": name}


@pytest.mark.parametrize("title", ["../../etc/x.yaml", "\x1b[31m.yaml", "", ".yaml", "a b.yaml"])
def test_a_title_is_no_path(title: str) -> None:
    blobs = Blobs()
    layers = [
        entry(blobs.add(YAML, exporter.CONFIG), annotations={TITLE: title}),
        entry(blobs.add(ELF, exporter.OBJECT)),
    ]
    image = blobs.load(blobs.add_json({"schemaVersion": 2, "layers": layers}, OCI_MANIFEST))
    assert image.hints["name"] == b"exporter"


@pytest.mark.parametrize(
    "kinds",
    [
        (exporter.CONFIG,),
        (exporter.OBJECT,),
        (exporter.CONFIG, exporter.CONFIG, exporter.OBJECT),
        (exporter.CONFIG, exporter.OBJECT, exporter.OBJECT),
        (exporter.CONFIG, exporter.OBJECT, "text/plain"),
    ],
)
def test_other_layers_are_no_pair(kinds: tuple[str, ...]) -> None:
    blobs = Blobs()
    layers = [entry(blobs.add(bytes([number]), kind)) for number, kind in enumerate(kinds)]
    with pytest.raises(UnsupportedImage, match="no known eBPF image format"):
        blobs.load(blobs.add_json({"schemaVersion": 2, "layers": layers}, OCI_MANIFEST))


def test_the_object_must_be_beside_it(tmp_path: Path) -> None:
    path = pair(tmp_path)
    program = tmp_path / "my-pair.bpf.o"
    program.write_bytes(b"no object")
    with pytest.raises(UnsupportedImage, match=r"my-pair\.bpf\.o: not an ELF object$"):
        find(path)
    program.unlink()
    with pytest.raises(ImageNotFound) as caught:
        find(path)
    assert str(caught.value) == f"{program}: no such file: the object of {path}"
    program.mkdir()
    with pytest.raises((ImageNotFound, UnsupportedImage)):
        find(path)
