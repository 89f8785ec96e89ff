import json
import logging

import pytest

from beepy.errors import BeepyError, UnsupportedImage
from beepy.oci import formats
from beepy.oci.descriptor import Descriptor, check, digest_of

ELF = b"\x7fELF program"


class Blobs(dict[str, bytes]):
    """Blobs by digest, read as a store reads them."""

    def add(self, data: bytes, media_type: str = "") -> Descriptor:
        self[digest_of(data)] = data
        return Descriptor(media_type, digest_of(data), len(data))

    def add_json(self, value: object, media_type: str = "") -> Descriptor:
        return self.add(json.dumps(value).encode(), media_type)

    def read(self, descriptor: Descriptor) -> bytes:
        return check(self[descriptor.digest], descriptor, "test")


def entry(descriptor: Descriptor, **more: object) -> dict[str, object]:
    return {"mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size, **more}


@pytest.fixture
def blobs() -> Blobs:
    return Blobs()


def manifest(blobs: Blobs, *programs: bytes, **more: object) -> Descriptor:
    layers = [entry(blobs.add(program, formats.BEE_PROGRAM)) for program in programs]
    return blobs.add_json({"schemaVersion": 2, "layers": layers, **more}, formats.OCI_MANIFEST)


def test_bee_manifest_is_what_go_writes() -> None:
    annotations = {
        "org.opencontainers.image.description": 'a <b> & "c" \u2028 é',
        "org.opencontainers.image.authors": "x",
    }
    tail = formats.bee_manifest(ELF, annotations).decode()
    assert tail.endswith(
        ',"annotations":{"org.opencontainers.image.authors":"x",'
        '"org.opencontainers.image.description":"a \\u003cb\\u003e \\u0026 \\"c\\" \\u2028 é"}}'
    )
    assert b'"annotations":{}' not in formats.bee_manifest(ELF, {})


@pytest.mark.parametrize("media_type", [formats.OCI_MANIFEST, formats.DOCKER_MANIFEST])
def test_more_than_bee_takes(blobs: Blobs, media_type: str) -> None:
    """No config, no titles, several programs, a foreign layer, docker's type."""
    foreign = entry(blobs.add(b"notes", "text/plain"))
    first = entry(blobs.add(ELF, formats.BEE_PROGRAM))
    second = entry(blobs.add(ELF + b"2", formats.BEE_PROGRAM))
    top = blobs.add_json({"schemaVersion": 2, "mediaType": media_type, "layers": [first, foreign, second]})
    image = formats.load("x", top, blobs.read)
    assert image.programs == (ELF, ELF + b"2")
    assert image.format == "bee"


def test_an_index_is_resolved_by_platform(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    amd, arm, attestation = manifest(blobs, b"amd"), manifest(blobs, b"arm"), blobs.add_json({"layers": []})
    index = [
        entry(attestation, platform={"os": "unknown", "architecture": "unknown"}),
        entry(arm, platform={"os": "linux", "architecture": "arm64", "variant": "v8"}),
        entry(amd, platform={"os": "Linux", "architecture": "x86_64"}),
    ]
    top = blobs.add_json({"schemaVersion": 2, "manifests": index}, formats.OCI_INDEX)
    for machine, program in (("linux/amd64", b"amd"), ("linux/arm64", b"arm")):
        monkeypatch.setattr(formats, "machine_platform", lambda machine=machine: machine)
        assert formats.load("x", top, blobs.read).programs == (program,)
    monkeypatch.setattr(formats, "machine_platform", lambda: "linux/riscv64")
    with pytest.raises(
        UnsupportedImage, match=r"no image for linux/riscv64: the index has linux/arm64/v8, linux/amd64"
    ):
        formats.load("x", top, blobs.read)


def test_a_single_image_of_another_platform_is_taken_with_a_warning(
    blobs: Blobs, caplog: pytest.LogCaptureFixture
) -> None:
    only = entry(manifest(blobs, ELF), platform={"os": "linux", "architecture": "s390x"})
    top = blobs.add_json({"schemaVersion": 2, "manifests": [only]}, formats.DOCKER_LIST)
    with caplog.at_level(logging.WARNING):
        assert formats.load("x", top, blobs.read).programs == (ELF,)
    assert "made for linux/s390x" in caplog.text


def test_indexes_nest_no_deeper_than_two(blobs: Blobs) -> None:
    top = manifest(blobs, ELF)
    for depth in range(3):
        top = blobs.add_json({"schemaVersion": 2, "manifests": [entry(top)]}, formats.OCI_INDEX)
        if depth < 2:
            assert formats.load("x", top, blobs.read).programs == (ELF,)
    with pytest.raises(UnsupportedImage, match="nested"):
        formats.load("x", top, blobs.read)


def test_an_unknown_format_names_what_was_seen(blobs: Blobs) -> None:
    layers = [entry(blobs.add(bytes([n]), f"application/x-{n}\x1b[31m")) for n in range(10)]
    config = entry(blobs.add(b"{}", "application/vnd.oci.image.config.v1+json"))
    body = {"schemaVersion": 2, "artifactType": "a/b", "config": config, "layers": layers}
    with pytest.raises(UnsupportedImage) as caught:
        formats.load("x", blobs.add_json(body), blobs.read)
    message = str(caught.value)
    assert "no known eBPF image format" in message
    assert "application/vnd.oci.image.config.v1+json" in message
    assert "artifact type a/b" in message
    assert "application/x-0\\x1b[31m" in message
    assert message.endswith(", ...")


GOOD = {"mediaType": formats.BEE_PROGRAM, "digest": digest_of(ELF), "size": len(ELF)}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"schemaVersion":' + b"9" * 5000 + b"}", "not JSON"),
        ({}, "unknown manifest"),
        ({"schemaVersion": 1}, "schema version 1"),
        ({"schemaVersion": 2, "mediaType": 7}, "a string"),
        ({"schemaVersion": 2, "mediaType": "application/x"}, "media type 'application/x'"),
        ({"schemaVersion": 2, "manifests": [], "layers": []}, "both"),
        ({"schemaVersion": 2, "manifests": [], "mediaType": formats.OCI_MANIFEST}, "an index that is called"),
        ({"schemaVersion": 2, "layers": [], "mediaType": formats.OCI_INDEX}, "no index"),
        ({"schemaVersion": 2, "layers": {}}, "a list"),
        ({"schemaVersion": 2, "layers": [GOOD] * 129}, "at most 128"),
        ({"schemaVersion": 2, "layers": [1]}, "layer 0: a descriptor"),
        ({"schemaVersion": 2, "layers": [{**GOOD, "digest": "../../etc/passwd"}]}, "digest '../../etc/passwd'"),
        ({"schemaVersion": 2, "layers": [{**GOOD, "digest": "sha256:" + "A" * 64}]}, "digest"),
        ({"schemaVersion": 2, "layers": [{**GOOD, "digest": "sha256:" + "a" * 64 + "\n"}]}, "digest"),
        ({"schemaVersion": 2, "layers": [{**GOOD, "digest": "sha256:" + "\u0661" * 64}]}, "digest"),
        ({"schemaVersion": 2, "layers": [{**GOOD, "digest": None}]}, "digest"),
        ({"schemaVersion": 2, "layers": [{**GOOD, "size": -1}]}, "size -1"),
        ({"schemaVersion": 2, "layers": [{**GOOD, "size": True}]}, "size True"),
        ({"schemaVersion": 2, "layers": [{**GOOD, "size": 1.5}]}, "size 1.5"),
        ({"schemaVersion": 2, "layers": [{**GOOD, "size": 1 << 40}]}, "size"),
        ({"schemaVersion": 2, "layers": [{**GOOD, "size": 40 << 20}] * 2}, "bytes of layers"),
        ({"schemaVersion": 2, "layers": [{**GOOD, "annotations": {"a": 1}}]}, "annotations"),
        ({"schemaVersion": 2, "layers": [{**GOOD, "platform": []}]}, "platform"),
        ({"schemaVersion": 2, "annotations": []}, "annotations"),
        ({"schemaVersion": 2, "config": []}, "config: a descriptor"),
        ({"schemaVersion": 2, "layers": [], "Layers": [GOOD]}, "key 'Layers': other programs take it for 'layers'"),
        ({"SchemaVersion": 2, "layers": []}, "x: key 'SchemaVersion'"),
        ({"schemaVersion": 2, "layer\u017f": []}, "other programs take it for 'layers'"),
        ({"schemaVersion": 2, "layers": [{**GOOD, "DIGEST": GOOD["digest"]}]}, "x: layer 0: key 'DIGEST'"),
        ({"schemaVersion": 2, "manifests": [{**GOOD, "platform": {"OS": "linux"}}]}, "platform: key 'OS'"),
        (b'{"schemaVersion":2,"layers":[],"layers":[]}', "x: key 'layers': twice in one object"),
        (b'{"schemaVersion":2,"annotations":{"a":"1","a":"2"}}', "x: key 'a': twice in one object"),
    ],
)
def test_broken_manifests_are_one_clear_line(body: object, why: str) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(UnsupportedImage, match=why) as caught:
        formats.parse(data, "x")
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


def test_nulls_are_what_go_writes_for_nothing(blobs: Blobs) -> None:
    layer = {**GOOD, "annotations": None, "platform": None}
    blobs.add(ELF)
    body = {"schemaVersion": 2, "config": None, "layers": [layer], "annotations": None, "artifactType": None}
    assert formats.load("x", blobs.add_json(body), blobs.read).programs == (ELF,)


def test_every_prefix_of_a_manifest_is_an_error_of_ours(blobs: Blobs) -> None:
    data = formats.bee_manifest(ELF, {"a": "b"})
    for end in range(len(data)):
        with pytest.raises(BeepyError):
            formats.load("x", blobs.add(data[:end]), blobs.read)


def test_annotations_may_differ_by_case_alone() -> None:
    """They are a map to Go too, whose keys stay as they are; so do keys that nobody here reads."""
    body = {"schemaVersion": 2, "annotations": {"Name": "1", "name": "2"}, "Subject": {}, "subject": {}}
    found = formats.parse(json.dumps(body).encode(), "x")
    assert isinstance(found, formats.Manifest)
    assert found.annotations == {"Name": "1", "name": "2"}
