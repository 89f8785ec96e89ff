from pathlib import Path

import pytest

from beepy import locks
from beepy.errors import BeepyError, ImageNotFound, InvalidReference, StoreError, UsageError
from beepy.oci.descriptor import descriptor_of, digest_of
from beepy.oci.formats import bee
from beepy.oci.layout import name_of
from beepy.oci.lookup import Options
from beepy.oci.removal import Removal, remove
from beepy.oci.store import Store
from tests.support.stored import ELF, add_index, blob, digests, forget, referrer, sign, snapshot
from tests.support.told import notes

TWO = ELF + b"2"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def rm(store: Store, *images: str) -> Removal:
    return remove(images, Options(storage=store.path))


def refusal(store: Store, *images: str) -> BeepyError:
    """Return why nothing was removed."""
    before = snapshot(store.path)
    with pytest.raises(BeepyError) as caught:
        rm(store, *images)
    assert snapshot(store.path) == before
    assert "\n" not in str(caught.value)
    return caught.value


def test_names_and_blobs_go(store: Store) -> None:
    store.add_image("x", ELF, {})
    other = store.add_image("y", TWO, {})
    removal = rm(store, "y")
    assert [name_of(entry) for entry in removal.entries] == ["y"]
    assert {file.parts[-1] for file in removal.files} == {other[7:], digest_of(TWO)[7:]}
    assert store.names() == ("x",)
    assert store.get("x").programs == (ELF,)
    rm(store, "x")
    assert digests(store) == set()
    assert store.list() == ()


def test_a_second_name_keeps_the_blobs(store: Store) -> None:
    store.add_image("x", ELF, {})
    store.tag("x", "y")
    assert rm(store, "x").files == ()
    assert store.get("y").programs == (ELF,)
    assert len(rm(store, "y").files) == 3


def test_several_at_once(store: Store) -> None:
    store.add_image("x", ELF, {})
    store.tag("x", "y")
    store.add_image("z", TWO, {})
    removal = rm(store, "x", "y", "x")
    assert [name_of(entry) for entry in removal.entries] == ["x", "y"]
    assert store.names() == ("z",)


def test_all_or_none(store: Store) -> None:
    store.add_image("x", ELF, {})
    error = refusal(store, "x", "nosuch")
    assert isinstance(error, ImageNotFound)
    assert str(error) == "no image 'nosuch': no file, stored or bundled image has that name"
    assert isinstance(refusal(store, "x", "a b"), InvalidReference)


def test_by_a_name_that_is_the_same_reference(store: Store) -> None:
    store.add_image("docker.io/library/x:latest", ELF, {})
    rm(store, "x")
    assert store.list() == ()


def test_a_name_of_several_is_ambiguous(store: Store) -> None:
    store.add_image("docker.io/library/x:latest", ELF, {})
    store.add_image("docker.io/x", TWO, {})
    error = refusal(store, "x")
    assert isinstance(error, UsageError)
    assert str(error) == "x: 2 images: docker.io/library/x:latest, docker.io/x"
    assert notes(error) == ["beepy rm docker.io/library/x:latest docker.io/x removes all"]
    rm(store, "docker.io/x")
    assert store.names() == ("docker.io/library/x:latest",)


def test_by_an_alias_and_a_name_of_the_default_registry(store: Store, home: Path) -> None:
    path = home / ".config" / "beepy" / "registries.toml"
    path.parent.mkdir(parents=True)
    path.write_text("default-registry = 'r.example'\n[aliases]\nx = 'a.b/far/x:1'\n")
    for name in ("a.b/far/x:1", "a.b/far/x:2", "r.example/y:1", "r.example/exitsnoop"):
        store.add_image(name, ELF, {})
    rm(store, "x", "y:1")
    rm(store, "x:2")
    assert store.names() == ("r.example/exitsnoop",)
    assert "bundled" in str(refusal(store, "exitsnoop"))  # as it is found by that name
    error = refusal(store, "x")
    assert str(error) == "a.b/far/x:1: not found locally"
    assert notes(error) == ["beepy list shows the images"]


@pytest.mark.parametrize("image", ["sha256:", "sha256:c105", "sha256:c1058b90adf"])
def test_a_short_digest(store: Store, image: str) -> None:
    store.add_image("x", ELF, {})
    error = refusal(store, image)
    assert isinstance(error, UsageError)
    assert str(error) == f"{image}: expected at least 12 digits of the digest"


def test_by_digest(store: Store) -> None:
    digest = store.add_image("a.b/x:1", ELF, {})
    store.add_image("y", TWO, {})
    rm(store, digest)
    assert store.names() == ("y",)
    rm(store, digest_of(blob(store, store.get("y").digest).read_bytes())[:19])
    assert digests(store) == set()


def test_by_name_and_digest(store: Store) -> None:
    digest = store.add_image("a.b/x:1", ELF, {})
    assert isinstance(refusal(store, f"a.b/x@{digest_of(b'other')}"), ImageNotFound)
    rm(store, f"a.b/x@{digest}")
    assert store.list() == ()


def test_a_digest_of_several_is_ambiguous(store: Store) -> None:
    digest = store.add_image("a.b/x:1", ELF, {})
    store.tag("a.b/x:1", "y z")  # as another program may name it
    for image in (digest, digest[:19]):
        error = refusal(store, image)
        assert str(error) == f"{image}: 2 images: a.b/x:1, y z"
        assert notes(error) == ["beepy rm a.b/x:1 'y z' removes all"]
    store.tag("a.b/x:1", "--storage=/")
    error = refusal(store, digest)
    assert notes(error) == ["beepy rm -- a.b/x:1 'y z' --storage=/ removes all"]


def test_what_has_no_name_goes_by_its_digest(store: Store) -> None:
    digest = store.add_image("x", ELF, {})
    store.layout.replace_entries(lambda now: [{**now[0], "annotations": {}}])
    rm(store, digest)
    assert store.layout.entries() == ()
    assert digests(store) == set()


def test_signatures_go_with_their_image(store: Store) -> None:
    digest = store.add_image("x", ELF, {})
    sign(store, digest)
    tag = f"x:{digest.replace(':', '-')}.sig"
    store.add_referrer(referrer(store, "", b"old"), name=tag)
    store.tag("x", "y")
    rm(store, "x")
    assert len(store.layout.entries()) == 3
    rm(store, "y")
    assert store.layout.entries() == ()
    assert digests(store) == set()


def test_every_platform_goes(store: Store) -> None:
    add_index(store, "x", {"amd64": ELF, "arm64": TWO})
    store.add_image("y", ELF, {})
    rm(store, "x")
    image = store.get("y")
    assert digests(store) == {image.digest, digest_of(ELF), digest_of(bee.CONFIG_BODY)}


def test_only_what_the_image_needed_goes(store: Store) -> None:
    """Others may be on their way to a name: prune decides about them."""
    store.add_image("x", ELF, {})
    store.layout.add_blob(b"orphan", descriptor_of(b"orphan"))
    rm(store, "x")
    assert digests(store) == {digest_of(b"orphan")}


def test_a_bundled_image_stays(store: Store) -> None:
    store.add_image("x", ELF, {})
    why = "exitsnoop: a bundled image is part of beepy and stays"
    assert str(refusal(store, "exitsnoop")) == why
    assert str(refusal(Store(store.path.with_name("none")), "exitsnoop")) == why


def test_bees_store_is_not_changed(home: Path) -> None:
    bees = Store(home / ".bumblebee" / "store")
    bees.add_image("a.b/x:1", ELF, {})
    before = snapshot(bees.path)
    with pytest.raises(ImageNotFound) as caught:
        remove(["a.b/x:1"], Options())
    assert str(caught.value) == (
        f"a.b/x:1: only in store {bees.path}, which bee writes to without a lock"
    )
    assert notes(caught.value) == [f"beepy --storage {bees.path} rm a.b/x:1"]
    assert snapshot(bees.path) == before
    remove(["a.b/x:1"], Options(storage=bees.path))
    assert bees.list() == ()


def test_while_blobs_arrive(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add_image("x", ELF, {})
    monkeypatch.setattr(locks, "PATIENCE_S", 0.0)
    with store.layout.lease():
        error = refusal(store, "x")
    assert isinstance(error, StoreError)
    assert "locked by pid " in str(error)


def test_an_index_that_cannot_be_followed_keeps_the_blobs(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.add_image("x", ELF, {})
    foreign = {"digest": "sha512:00", "size": 1}
    store.layout.replace_entries(lambda now: [*now, foreign])
    assert rm(store, "x").files == ()
    assert store.layout.entries() == (foreign,)
    assert "what it leads to is unknown: no blob is removed" in caplog.text


def test_an_image_whose_manifest_is_gone(store: Store) -> None:
    digest = store.add_image("x", ELF, {})
    blob(store, digest).unlink()
    rm(store, "x")
    assert store.list() == ()


def test_what_was_removed_by_others_meanwhile(store: Store) -> None:
    store.add_image("x", ELF, {})
    forget(store, "x")
    assert isinstance(refusal(store, "x"), ImageNotFound)
