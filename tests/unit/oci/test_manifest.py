import json
import logging

import pytest

from beepy.errors import UnsupportedImage
from beepy.oci import manifest
from beepy.oci.descriptor import Descriptor, digest_of
from beepy.oci.formats import bee
from beepy.oci.manifest import DOCKER_LIST, OCI_INDEX, OCI_MANIFEST
from tests.support.blobs import Blobs, entry

ELF = b"\x7fELF program"


@pytest.fixture
def blobs() -> Blobs:
    return Blobs()


def test_an_index_is_resolved_by_platform(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    amd, arm, attestation = (
        blobs.add_image(b"amd"),
        blobs.add_image(b"arm"),
        blobs.add_json({"layers": []}),
    )
    index = [
        entry(attestation, platform={"os": "unknown", "architecture": "unknown"}),
        entry(arm, platform={"os": "linux", "architecture": "arm64", "variant": "v8"}),
        entry(amd, platform={"os": "Linux", "architecture": "x86_64"}),
    ]
    top = blobs.add_json({"schemaVersion": 2, "manifests": index}, OCI_INDEX)
    for machine, program in (("linux/amd64", b"amd"), ("linux/arm64", b"arm")):
        monkeypatch.setattr(manifest, "machine_platform", lambda machine=machine: machine)
        assert blobs.load(top).programs == (program,)
    monkeypatch.setattr(manifest, "machine_platform", lambda: "linux/riscv64")
    with pytest.raises(
        UnsupportedImage,
        match=r"no image for linux/riscv64: the index has linux/arm64/v8, linux/amd64",
    ):
        blobs.load(top)


def test_a_single_image_of_another_platform_is_taken_with_a_warning(
    blobs: Blobs, caplog: pytest.LogCaptureFixture
) -> None:
    only = entry(blobs.add_image(ELF), platform={"os": "linux", "architecture": "s390x"})
    top = blobs.add_json({"schemaVersion": 2, "manifests": [only]}, DOCKER_LIST)
    with caplog.at_level(logging.WARNING):
        assert blobs.load(top).programs == (ELF,)
    assert "made for linux/s390x" in caplog.text


def test_indexes_nest_no_deeper_than_two(blobs: Blobs) -> None:
    top = blobs.add_image(ELF)
    for depth in range(3):
        top = blobs.add_json({"schemaVersion": 2, "manifests": [entry(top)]}, OCI_INDEX)
        if depth < 2:
            assert blobs.load(top).programs == (ELF,)
    with pytest.raises(UnsupportedImage, match="nested"):
        blobs.load(top)


GOOD = {"mediaType": bee.PROGRAM, "digest": digest_of(ELF), "size": len(ELF)}


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
        (
            {"schemaVersion": 2, "manifests": [], "mediaType": OCI_MANIFEST},
            "an index with media type",
        ),
        ({"schemaVersion": 2, "layers": [], "mediaType": OCI_INDEX}, "not an index"),
        ({"schemaVersion": 2, "layers": {}}, "a list"),
        ({"schemaVersion": 2, "layers": [GOOD] * 129}, "at most 128"),
        ({"schemaVersion": 2, "layers": [1]}, "layer 0: a descriptor"),
        (
            {"schemaVersion": 2, "layers": [{**GOOD, "digest": "../../etc/passwd"}]},
            "digest '../../etc/passwd'",
        ),
        ({"schemaVersion": 2, "layers": [{**GOOD, "digest": "sha256:" + "A" * 64}]}, "digest"),
        (
            {"schemaVersion": 2, "layers": [{**GOOD, "digest": "sha256:" + "a" * 64 + "\n"}]},
            "digest",
        ),
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
        (
            {"schemaVersion": 2, "layers": [], "Layers": [GOOD]},
            "key 'Layers': Go programs read it as 'layers'",
        ),
        ({"SchemaVersion": 2, "layers": []}, "x: key 'SchemaVersion'"),
        ({"schemaVersion": 2, "layer\u017f": []}, "Go programs read it as 'layers'"),
        (
            {"schemaVersion": 2, "layers": [{**GOOD, "DIGEST": GOOD["digest"]}]},
            "x: layer 0: key 'DIGEST'",
        ),
        (
            {"schemaVersion": 2, "manifests": [{**GOOD, "platform": {"OS": "linux"}}]},
            "platform: key 'OS'",
        ),
        (b'{"schemaVersion":2,"layers":[],"layers":[]}', "x: key 'layers': duplicate"),
        (b'{"schemaVersion":2,"annotations":{"a":"1","a":"2"}}', "x: key 'a': duplicate"),
    ],
)
def test_broken_manifests_are_one_clear_line(body: object, why: str) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(UnsupportedImage, match=why) as caught:
        manifest.parse(data, "x")
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


def test_nulls_are_what_go_writes_for_nothing(blobs: Blobs) -> None:
    layer = {**GOOD, "annotations": None, "platform": None}
    blobs.add(ELF)
    body = {
        "schemaVersion": 2,
        "config": None,
        "layers": [layer],
        "annotations": None,
        "artifactType": None,
    }
    assert blobs.load(blobs.add_json(body)).programs == (ELF,)


def test_annotations_may_differ_by_case_alone() -> None:
    """They are a map to Go too, whose keys stay as they are; so do keys that nobody here reads."""
    body = {
        "schemaVersion": 2,
        "annotations": {"Name": "1", "name": "2"},
        "Subject": {},
        "subject": {},
    }
    found = manifest.parse(json.dumps(body).encode(), "x")
    assert isinstance(found, manifest.Manifest)
    assert found.annotations == {"Name": "1", "name": "2"}


def test_a_walk_visits_each_manifest_once_children_first(blobs: Blobs) -> None:
    amd, arm = blobs.add_image(b"amd"), blobs.add_image(b"arm")
    inner = blobs.add_json({"schemaVersion": 2, "manifests": [entry(arm), entry(amd)]}, OCI_INDEX)
    children = [entry(amd), entry(inner), entry(amd)]
    top = blobs.add_json({"schemaVersion": 2, "manifests": children}, OCI_INDEX)
    visited = [descriptor.digest for descriptor, _ in manifest.walk(top, blobs.read, "x")]
    assert visited == [found.digest for found in (amd, arm, inner, top)]


def test_a_walk_has_limits(blobs: Blobs) -> None:
    def index(*children: Descriptor) -> Descriptor:
        entries = [entry(child) for child in children]
        return blobs.add_json({"schemaVersion": 2, "manifests": entries}, OCI_INDEX)

    deep = index(index(index(blobs.add_image(b"x"))))
    with pytest.raises(UnsupportedImage, match="x: indexes nested more than 2 deep"):
        list(manifest.walk(deep, blobs.read, "x"))
    images = [blobs.add_image(b"%d" % number) for number in range(256)]
    wide = index(index(*images[:128]), index(*images[128:]))
    with pytest.raises(UnsupportedImage, match="x: more than 256 manifests"):
        list(manifest.walk(wide, blobs.read, "x"))


def test_the_size_of_blobs_is_limited_as_it_is_asked_for() -> None:
    layer = {"mediaType": "x", "digest": digest_of(b""), "size": 100 << 20}
    data = json.dumps({"schemaVersion": 2, "layers": [layer]}).encode()
    with pytest.raises(UnsupportedImage, match="not from 0 to 67108864"):
        manifest.parse(data, "x")
    parsed = manifest.parse(data, "x", max_size=1 << 30)
    assert isinstance(parsed, manifest.Manifest)
    assert parsed.layers[0].size == 100 << 20
