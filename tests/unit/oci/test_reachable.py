import json
from pathlib import Path

import pytest

from beepy.errors import StoreError, UnsupportedImage
from beepy.oci.descriptor import Descriptor, descriptor_of, digest_of
from beepy.oci.formats import bee
from beepy.oci.manifest import OCI_INDEX, OCI_MANIFEST
from beepy.oci.reachable import closure, reachable
from beepy.oci.store import Store
from tests.support.stored import BUNDLE, ELF, add_index, blob, digests, referrer, sign

CONFIG = digest_of(bee.CONFIG_BODY)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def needed(store: Store) -> set[str]:
    return set(reachable(store.layout, store.layout.entries()).blobs)


def test_an_image_needs_its_blobs_and_no_others(store: Store) -> None:
    image = store.add_image("x", ELF, {})
    store.layout.add_blob(b"orphan", descriptor_of(b"orphan"))
    assert needed(store) == {image, CONFIG, digest_of(ELF)}
    assert digests(store) == needed(store) | {digest_of(b"orphan")}


def test_an_index_needs_every_platform_it_has(store: Store) -> None:
    add_index(store, "x", {"amd64": ELF, "arm64": ELF + b"2"})
    assert needed(store) == digests(store)
    assert len(digests(store)) == 6


def test_a_referrer_is_needed_by_its_subject(store: Store) -> None:
    image = store.add_image("x", ELF, {})
    signature = sign(store, image)
    second = sign(store, signature, b"a signature of the signature")
    assert needed(store) == digests(store)
    sign(store, digest_of(b"gone"), b"of another")
    tag = f"a.b/x:{digest_of(b'gone').replace(':', '-')}.sig"
    store.add_referrer(referrer(store, "", b"old"), name=tag)
    found = reachable(store.layout, store.layout.entries())
    assert {image, signature, second} <= set(found.blobs)
    assert len(digests(store)) == len(found.blobs) + 4
    assert len(store.layout.entries()) == len(found.entries) + 2


def test_what_has_no_name_is_kept(store: Store) -> None:
    image = store.add_image("x", ELF, {})
    entry = {**store.layout.entries()[0], "annotations": {"other": "kept"}}
    store.layout.replace_entries(lambda _: [entry])
    assert image in needed(store)


def test_a_layer_that_is_a_manifest_elsewhere_is_followed(store: Store) -> None:
    image = store.add_image("x", ELF, {})
    size = blob(store, image).stat().st_size
    body = {"schemaVersion": 2, "layers": [Descriptor("text/plain", image, size).entry()]}
    store.put("first", json.dumps(body).encode(), OCI_MANIFEST)
    store.layout.replace_entries(lambda now: now[::-1])
    assert digest_of(ELF) in needed(store)


@pytest.mark.parametrize(
    "entry",
    [
        {"digest": "sha512:00", "size": 1},
        {"digest": digest_of(b""), "size": "1"},
        {"digest": digest_of(b"")},
        {},
    ],
)
def test_what_cannot_be_followed_is_an_error(store: Store, entry: dict[str, object]) -> None:
    store.layout.replace_entries(lambda _: [entry])
    with pytest.raises(StoreError, match="what it leads to is unknown"):
        needed(store)


def test_a_damaged_manifest_leads_nowhere(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    image = store.add_image("x", ELF, {})
    blob(store, image).unlink()
    assert needed(store) == {image}
    assert not caplog.records
    blob(store, image).write_bytes(b"rubbish")
    assert needed(store) == {image}
    assert "7 bytes, expected" in caplog.text


def test_a_manifest_that_cannot_be_read_is_an_error(store: Store, tmp_path: Path) -> None:
    image = store.add_image("x", ELF, {})
    (tmp_path / "elsewhere").write_bytes(blob(store, image).read_bytes())
    blob(store, image).unlink()
    blob(store, image).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="is a symbolic link"):
        needed(store)


def test_the_closure_of_one_image(store: Store) -> None:
    image = store.add_image("x", ELF, {})
    sign(store, image)
    other = store.add_image("y", ELF + b"2", {})
    sign(store, other, b"of y")
    first, *_ = store.layout.entries()
    found = closure(store.layout, [first])
    assert set(found.blobs) < digests(store)
    assert other not in found.blobs
    assert [entry["mediaType"] for entry in found.entries] == [OCI_MANIFEST] * 2
    assert found.entries[0] == first
    assert BUNDLE in str(blob(store, str(found.entries[1]["digest"])).read_bytes())


def test_a_closure_lacks_nothing_but_other_platforms(store: Store) -> None:
    add_index(store, "x", {"amd64": ELF, "arm64": ELF + b"2"})
    index = json.loads(blob(store, str(store.layout.entries()[0]["digest"])).read_bytes())
    amd64, arm64 = (part["digest"] for part in index["manifests"])
    blob(store, arm64).unlink()
    found = closure(store.layout, store.layout.entries())
    assert arm64 not in found.blobs
    assert digest_of(ELF) in found.blobs
    assert digest_of(ELF + b"2") not in found.blobs
    blob(store, digest_of(ELF)).unlink()
    with pytest.raises(StoreError, match=f"{digest_of(ELF)}: blob not found"):
        closure(store.layout, store.layout.entries())
    blob(store, amd64).unlink()
    with pytest.raises(StoreError, match=f"{amd64}: blob not found"):
        closure(store.layout, store.layout.entries())


def test_a_manifest_of_any_size_is_not_taken_for_a_layer(store: Store) -> None:
    large = b" " * (5 << 20)
    store.layout.add_blob(large, descriptor_of(large))
    part = descriptor_of(large, OCI_MANIFEST).entry()
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [part]}).encode()
    store.put("x", body, OCI_INDEX)
    with pytest.raises(UnsupportedImage, match="manifest of 5242880 bytes"):
        closure(store.layout, store.layout.entries())
