from pathlib import Path

import pytest

from beepy.errors import (
    BeepyError,
    DigestMismatch,
    ImageNotFound,
    InvalidReference,
    StoreError,
    UsageError,
)
from beepy.oci.copying import copy_image, tag
from beepy.oci.descriptor import descriptor_of, digest_of
from beepy.oci.lookup import Options, bundled_store
from beepy.oci.manifest import REF_NAME
from beepy.oci.options import default_config_dir, default_storage
from beepy.oci.store import Store
from beepy.oci.stored_referrers import referrers
from tests.support.stored import ELF, add_index, blob, digests, sign, snapshot
from tests.support.told import notes


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def own() -> Store:
    return Store(default_storage())


@pytest.fixture
def bees(home: Path) -> Store:
    return Store(home / ".bumblebee" / "store")


def refusal(own: Store, source: str, target: str) -> BeepyError:
    before = snapshot(own.path)
    with pytest.raises(BeepyError) as caught:
        tag(source, target, Options())
    assert snapshot(own.path) == before
    return caught.value


def test_in_the_own_store(own: Store) -> None:
    digest = own.add_image("a.b/x:1", ELF, {}, {"os": "Linux", "os.version": "6.1"})
    own.layout.replace_entries(lambda now: [{**now[0], "urls": ["u"]}])
    assert tag("a.b/x:1", "y:2", Options()) == digest
    first, second = own.layout.entries()
    assert second == {**first, "annotations": {REF_NAME: "y:2"}}
    assert second["urls"] == ["u"]


def test_a_bundled_image_is_copied(own: Store) -> None:
    image = bundled_store().get("exitsnoop")
    assert tag("exitsnoop", "a.b/x:1", Options()) == image.digest
    assert own.get("a.b/x:1").programs == image.programs
    assert own.list()[0].partial is False
    assert own.list()[0].platform == image.platform


def test_bees_image_is_copied_with_its_signatures(own: Store, bees: Store) -> None:
    digest = bees.add_image("x", ELF, {})
    signature = sign(bees, digest)
    bees.add_image("other", ELF + b"2", {})
    before = snapshot(bees.path)
    tag("x", "a.b/x:1", Options())
    assert own.names() == ("a.b/x:1",)
    assert [item.digest for item in referrers(own.layout, digest)] == [signature]
    assert len(digests(own)) == 5
    assert snapshot(bees.path) == before
    tag("a.b/x:1", "z", Options())
    assert own.names() == ("a.b/x:1", "z")


def test_an_index_is_copied_whole(own: Store, bees: Store) -> None:
    digest = add_index(bees, "x", {"amd64": ELF, "arm64": ELF + b"2"})
    assert tag("x", "y", Options()) == digest
    assert digests(own) == digests(bees)


def test_a_partial_image_is_not_copied(own: Store, bees: Store) -> None:
    bees.add_image("a.b/x:1", ELF, {})
    blob(bees, digest_of(ELF)).unlink()
    error = refusal(own, "a.b/x:1", "y")
    assert isinstance(error, StoreError)
    assert str(error) == (f"a.b/x:1: partial: store {bees.path}: {digest_of(ELF)}: blob not found")
    assert notes(error) == ["beepy pull a.b/x:1"]


def test_a_damaged_image_leaves_the_store_as_it_was(own: Store, bees: Store) -> None:
    own.add_image("y", b"\x7fELF", {})
    bees.add_image("x", ELF, {})
    damaged = blob(bees, digest_of(ELF))
    damaged.unlink()
    damaged.write_bytes(ELF[::-1])
    assert isinstance(refusal(own, "x", "z"), DigestMismatch)
    assert own.names() == ("y",)


@pytest.mark.parametrize(
    ("source", "target", "kind", "why"),
    [
        ("exitsnoop", "A b", InvalidReference, "repository: "),
        ("exitsnoop", "", InvalidReference, "the name is empty"),
        ("exitsnoop", f"x@{digest_of(b'')}", UsageError, "a new name has no digest"),
        ("exitsnop", "x", ImageNotFound, "did you mean exitsnoop?"),
        ("a.b/x:1", "x", ImageNotFound, "a.b/x:1: not found locally"),
    ],
)
def test_refusals(own: Store, source: str, target: str, kind: type, why: str) -> None:
    error = refusal(own, source, target)
    assert isinstance(error, kind)
    assert why in str(error)
    if source == "a.b/x:1":
        assert notes(error) == ["beepy pull a.b/x:1"]


@pytest.mark.parametrize("name", ["exitsnoop", "exitsnoop:latest", "docker.io/library/exitsnoop"])
def test_a_name_that_hides_a_bundled_image(
    own: Store, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    own.add_image("x", ELF, {})
    tag("x", name, Options())
    assert caplog.messages == [f"{name}: the bundled image of that name is hidden by it"]


def test_by_an_alias(own: Store) -> None:
    path = default_config_dir() / "registries.toml"
    path.parent.mkdir(parents=True)
    path.write_text('[aliases]\none = "a.b/x:1"\n')
    digest = own.add_image("a.b/x:1", ELF, {})
    assert tag("one", "y", Options()) == digest
    assert own.get("y").digest == digest


def test_a_target_that_exists_is_moved(own: Store) -> None:
    own.add_image("x", ELF, {})
    own.add_image("y", ELF + b"2", {})
    own.layout.add_blob(b"other", descriptor_of(b"other"))
    tag("exitsnoop", "y", Options())
    assert own.names() == ("x", "y")
    assert own.get("y").digest == bundled_store().get("exitsnoop").digest


def test_an_image_is_copied_alone_with_what_refers_to_it(own: Store, bees: Store) -> None:
    digest = bees.add_image("x", ELF, {}, {"os": "Linux"})
    bees.add_image("y", ELF + b"2", {})
    signature = sign(bees, digest)
    sign(bees, digest_of(b"another image"))
    found = bees.find("x")
    assert found
    copied = copy_image(bees, *found, own, "z")
    assert set(copied.blobs) == digests(own)
    image, referrer = own.layout.entries()
    assert (image["platform"], image["annotations"]) == ({"os": "Linux"}, {REF_NAME: "z"})
    assert referrer["digest"] == signature
    assert own.get("z").digest == digest
