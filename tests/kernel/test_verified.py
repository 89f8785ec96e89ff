"""A run with --verify: signed programs are loaded, and others never reach the kernel."""

from pathlib import Path

import pytest

from beepy.oci.descriptor import descriptor_of
from beepy.oci.lookup import bundled_store
from beepy.oci.manifest import OCI_MANIFEST
from beepy.oci.store import Store
from tests.support import exits
from tests.support.command import Beepy
from tests.support.exits import Exit
from tests.support.signing import Key, bundle, bundle_holder, new_key

pytestmark = pytest.mark.kernel

NAME = "r.example/acme/exitsnoop:1"


@pytest.fixture
def key(tmp_path: Path) -> Key:
    return new_key(tmp_path / "cosign.pub")


@pytest.fixture
def beepy(tmp_path: Path, key: Key) -> Beepy:
    """Return beepy with a store that has exitsnoop, signed."""
    store = Store(tmp_path / "store")
    store.add_image(NAME, bundled_store().get("exitsnoop").programs[0], {})
    stored = store.find(NAME)
    assert stored
    holder = bundle_holder(bundle(key, stored[1].digest), stored[1])
    for blob in holder.blobs:
        store.layout.add_blob(blob, descriptor_of(blob))
    store.add_referrer(holder.manifest, OCI_MANIFEST)
    return Beepy(tmp_path, {"BEEPY_STORAGE": str(store.path)})


def test_a_signed_image_runs(beepy: Beepy, key: Key) -> None:
    options = ("--count", "1", "-o", "json", "--no-metrics", "-v")
    with beepy.start("run", NAME, "--verify", "--key", str(key.path), *options) as running:
        running.until_attached()
        exits.fork([Exit(b"seen", 7)])
        done = running.wait()
    assert done.code == 0
    assert done.said[-1].startswith("beepy: 1 shown, ")


def test_no_program_of_another_image_is_loaded(beepy: Beepy, tmp_path: Path) -> None:
    other = new_key(tmp_path / "other.pub")
    done = beepy("run", NAME, "--verify", "--key", str(other.path), "-d")
    assert (done.code, done.out) == (1, "")
    assert f"beepy: {NAME}: not signed by {other.path}: signed by another" in done.said
    assert "PROG_LOAD" not in done.err
    assert "MAP_CREATE" not in done.err
