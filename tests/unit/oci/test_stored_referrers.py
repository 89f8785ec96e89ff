import json
from pathlib import Path

import pytest

from beepy.errors import UnsupportedImage
from beepy.oci.descriptor import descriptor_of
from beepy.oci.manifest import OCI_INDEX, OCI_MANIFEST
from beepy.oci.store import Store
from beepy.oci.stored_referrers import referrers, referring
from tests.support.stored import BUNDLE, ELF, referrer


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_by_subject(store: Store) -> None:
    image = store.add_image("x", ELF, {})
    other = store.add_image("y", ELF + b"2", {})
    first = store.add_referrer(
        referrer(store, image, artifactType=BUNDLE, annotations={"created": "now"})
    )
    second = store.add_referrer(referrer(store, image, b"second"))
    store.add_referrer(referrer(store, other))
    assert referrers(store.layout, image) == (
        first._replace(artifact_type=BUNDLE, annotations={"created": "now"}),
        second._replace(artifact_type=BUNDLE),  # of the config
    )
    assert [referrer.subject for referrer in referring(store.layout, store.layout.entries())] == [
        image,
        image,
        other,
    ]
    assert store.names() == ("x", "y")


def test_an_entry_is_added_once(store: Store) -> None:
    image = store.add_image("x", ELF, {})
    data = referrer(store, image)
    assert store.add_referrer(data) == store.add_referrer(data)
    assert len(store.layout.entries()) == 2


def test_by_the_tags_of_cosign(store: Store) -> None:
    image = store.add_image("a.b/x:1", ELF, {})
    tag = f"a.b/x:{image.replace(':', '-')}"
    old = store.add_referrer(referrer(store, ""), name=f"{tag}.sig")
    data = referrer(store, image, b"new", artifactType=BUNDLE)
    foreign = referrer(store, descriptor_of(b"other").digest, b"foreign")
    new = descriptor_of(data, OCI_MANIFEST)
    for blob in (data, foreign):
        store.layout.add_blob(blob, descriptor_of(blob))
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [new.entry(), descriptor_of(foreign, OCI_MANIFEST).entry()],
    }
    store.add_referrer(json.dumps(index).encode(), name=tag)
    assert [entry.name for entry in store.list()] == ["a.b/x:1"]
    assert store.names() == ("a.b/x:1",)
    assert referrers(store.layout, image) == (
        old._replace(artifact_type=BUNDLE),
        new._replace(artifact_type=BUNDLE),
    )


def test_what_refers_to_nothing_is_refused(store: Store) -> None:
    with pytest.raises(UnsupportedImage, match="refers to no manifest: it has no subject"):
        store.add_referrer(referrer(store, ""))
    with pytest.raises(UnsupportedImage, match=r"a\.b/x:1: refers to no manifest"):
        store.add_referrer(referrer(store, descriptor_of(b"").digest), name="a.b/x:1")
    assert store.layout.entries() == ()


def test_a_damaged_referrer_is_skipped(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    image = store.add_image("x", ELF, {})
    tag = f"x:{image.replace(':', '-')}.sig"
    bad = store.add_referrer(referrer(store, ""), name=tag)
    good = store.add_referrer(referrer(store, image, b"good"))
    path = store.path / "blobs" / "sha256" / bad.digest[7:]
    path.unlink()
    assert [item.digest for item in referrers(store.layout, image)] == [good.digest]
    assert [record.getMessage() for record in caplog.records] == [
        f"store {store.path}: {bad.digest}: blob not found"
    ]
