import json
from pathlib import Path
from unittest.mock import Mock

import pytest

from beepy.errors import DigestMismatch, StoreError, UnsupportedImage
from beepy.oci.descriptor import Descriptor, descriptor_of
from beepy.oci.export import export
from beepy.oci.formats import bee
from beepy.oci.manifest import OCI_INDEX, OCI_MANIFEST, REF_NAME
from beepy.oci.store import Store

PLATFORM = {"architecture": "x86_64", "os": "Linux"}


@pytest.fixture
def source(tmp_path: Path) -> Store:
    return Store(tmp_path / "source")


@pytest.fixture
def target(tmp_path: Path) -> Store:
    return Store(tmp_path / "target")


def blobs(store: Store) -> set[str]:
    return {path.name for path in (store.path / "blobs" / "sha256").iterdir()}


def path_of(store: Store, digest: str) -> Path:
    return store.path / "blobs" / "sha256" / digest.removeprefix("sha256:")


def found(store: Store, name: str) -> Descriptor:
    entry = store.find(name)
    assert entry
    return entry[1]


def child(store: Store, program: bytes, architecture: str) -> dict[str, object]:
    """Write an image without a name; return its entry in an index."""
    for data in (bee.CONFIG_BODY, program):
        store.layout.add_blob(data, descriptor_of(data))
    manifest = bee.write_manifest(program, {})
    descriptor = descriptor_of(manifest, OCI_MANIFEST)
    store.layout.add_blob(manifest, descriptor)
    return {
        "mediaType": OCI_MANIFEST,
        "digest": descriptor.digest,
        "size": descriptor.size,
        "platform": {"os": "linux", "architecture": architecture},
    }


def put_index(store: Store, *children: dict[str, object]) -> str:
    body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(children)}
    return store.put("x:1", json.dumps(body).encode())


def test_one_image_alone_is_copied(source: Store, target: Store) -> None:
    source.add_image("x:1", b"\x7fELF 1", {"a": "b"}, PLATFORM)
    source.add_image("y:1", b"\x7fELF 2", {})
    assert export(source.layout, found(source, "x:1"), target.layout, "renamed:1") == []
    assert target.names() == ("renamed:1",)
    assert target.get("renamed:1")._replace(name="x:1") == source.get("x:1")
    assert len(blobs(target)) == 3
    (entry,) = target.layout.entries()
    assert entry["platform"] == PLATFORM


def test_all_platforms_of_an_index_are_copied(source: Store, target: Store) -> None:
    digest = put_index(
        source, child(source, b"\x7fELF a", "amd64"), child(source, b"\x7fELF b", "arm64")
    )
    assert export(source.layout, found(source, "x:1"), target.layout, "x:1") == []
    assert found(target, "x:1").digest == digest
    assert blobs(target) == blobs(source)


def test_a_manifest_is_copied_once(
    source: Store, target: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = child(source, b"\x7fELF a", "amd64")
    inner = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [part] * 20})
    nested = descriptor_of(inner.encode(), OCI_INDEX)
    source.layout.add_blob(inner.encode(), nested)
    digest = put_index(source, part, *[nested.entry()] * 20)
    referrer(source, digest, "")
    source.layout.replace_entries(lambda now: [*now, *[now[-1]] * 20])
    top = found(source, "x:1")
    read = Mock(side_effect=source.layout.read)
    monkeypatch.setattr(source.layout, "read", read)
    export(source.layout, top, target.layout, "x:1")
    assert read.call_count == 3 + 2 + 3  # manifests, blobs; the referrer twice, and its config
    assert len(target.layout.entries()) == 2


def test_indexes_in_indexes_end(source: Store, target: Store) -> None:
    amd64, part = child(source, b"\x7fELF a", "amd64"), child(source, b"\x7fELF b", "arm64")
    for _ in range(2000):
        body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [part]})
        index = descriptor_of(body.encode(), OCI_INDEX)
        source.layout.add_blob(body.encode(), index)
        part = index.entry()
    put_index(source, amd64, part)
    with pytest.raises(UnsupportedImage, match="indexes nested more than 2 deep"):
        export(source.layout, found(source, "x:1"), target.layout, "x:1")


def test_platforms_that_no_pull_fetched_are_returned(source: Store, target: Store) -> None:
    amd64, arm64 = child(source, b"\x7fELF a", "amd64"), child(source, b"\x7fELF b", "arm64")
    put_index(source, amd64, arm64)
    path_of(source, str(arm64["digest"])).unlink()
    missing = export(source.layout, found(source, "x:1"), target.layout, "x:1")
    assert [descriptor.platform for descriptor in missing] == ["linux/arm64"]
    path_of(source, str(amd64["digest"])).unlink()
    with pytest.raises(StoreError, match="blob not found"):
        export(source.layout, found(source, "x:1"), target.layout, "x:1")


def test_a_missing_or_damaged_layer_is_an_error(source: Store, target: Store) -> None:
    source.add_image("x:1", b"\x7fELF 1", {})
    layer = path_of(source, descriptor_of(b"\x7fELF 1").digest)
    layer.chmod(0o600)
    layer.write_bytes(b"\x7fELF 2")
    with pytest.raises(DigestMismatch):
        export(source.layout, found(source, "x:1"), target.layout, "x:1")
    layer.unlink()
    with pytest.raises(StoreError, match="blob not found"):
        export(source.layout, found(source, "x:1"), target.layout, "x:1")
    assert target.names() == ()


def referrer(store: Store, subject: str, name: str) -> str:
    """Write a manifest that refers to another one, as signatures do."""
    body = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": {"mediaType": "application/x", "digest": descriptor_of(b"{}").digest, "size": 2},
        "layers": [],
        "subject": {"mediaType": OCI_MANIFEST, "digest": subject, "size": 1},
    }
    store.layout.add_blob(b"{}", descriptor_of(b"{}"))
    return store.put(name, json.dumps(body).encode())


def test_referrers_come_along(source: Store, target: Store) -> None:
    digest = source.add_image("x:1", b"\x7fELF 1", {})
    signature = referrer(source, digest, "signature")
    referrer(source, "sha256:" + 64 * "0", "of another")
    export(source.layout, found(source, "x:1"), target.layout, "x:1")
    entries = target.layout.entries()
    assert [entry["digest"] for entry in entries] == [digest, signature]
    assert [entry["annotations"] for entry in entries] == [
        {REF_NAME: "x:1"},
        {REF_NAME: "signature"},
    ]
    assert path_of(target, signature).is_file()


def test_other_images_may_be_damaged(source: Store, target: Store) -> None:
    other = source.add_image("y:1", b"\x7fELF 2", {})
    source.add_image("x:1", b"\x7fELF 1", {})
    path_of(source, other).write_bytes(b"{}")
    export(source.layout, found(source, "x:1"), target.layout, "x:1")
    path_of(source, other).unlink()
    export(source.layout, found(source, "x:1"), target.layout, "x:1")
    assert target.names() == ("x:1",)
