"""Nothing below a store leads out of it."""

import os
import shutil
from pathlib import Path

import pytest

from beepy.errors import StoreError
from beepy.oci.descriptor import digest_of
from beepy.oci.store import Store

PROGRAM = b"\x7fELF" + bytes(range(256)) * 4
PARTS = ["blobs", "blobs/sha256", "index.json", "oci-layout", "program"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.add_image("x", PROGRAM, {})
    return store


def link(store: Store, part: str) -> Path:
    """Move a part of the store out of it, and leave a link that leads there."""
    if part == "program":
        part = f"blobs/sha256/{digest_of(PROGRAM)[7:]}"
    outside = store.path.with_name("outside")
    shutil.move(store.path / part, outside)
    (store.path / part).symlink_to(outside)
    return store.path / part


@pytest.mark.parametrize("part", PARTS)
def test_no_link_is_read(store: Store, part: str) -> None:
    path = link(store, part)
    with pytest.raises(StoreError) as caught:
        store.get("x")
    assert str(caught.value) == f"store {store.path}: {path}: is a symbolic link"


@pytest.mark.parametrize("part", ["blobs", "blobs/sha256", "ingest", "oci-layout"])
def test_nothing_is_written_through_a_link(store: Store, part: str) -> None:
    path = link(store, part)
    before = sorted(path.resolve().rglob("*"))
    with pytest.raises(StoreError, match="is a symbolic link"):
        store.add_image("y", PROGRAM + b"2", {})
    assert sorted(path.resolve().rglob("*")) == before
    assert path.is_symlink()


def test_a_blob_that_is_a_link_is_replaced_not_followed(store: Store, tmp_path: Path) -> None:
    """As ``has`` takes it for damaged: a link cannot make root write another file."""
    path = link(store, "program")
    (tmp_path / "outside").chmod(0o644)
    (tmp_path / "outside").write_bytes(b"precious")
    store.add_image("x", PROGRAM, {})
    assert not path.is_symlink()
    assert (tmp_path / "outside").read_bytes() == b"precious"
    assert store.get("x").programs == (PROGRAM,)


def test_links_on_the_way_to_a_store_are_followed(store: Store, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(store.path)
    other = Store(tmp_path / "link")
    assert other.get("x").programs == (PROGRAM,)
    other.add_image("y", PROGRAM + b"2", {})
    assert store.names() == ("x", "y")


def test_a_bundled_store_may_be_made_of_links(store: Store) -> None:
    """Some installers link every file of a package; who may change those may change the program."""
    for part in PARTS[2:]:
        link(store, part)
        store.path.with_name("outside").rename(store.path.with_name(part))
        path = store.path / (
            part if part != "program" else f"blobs/sha256/{digest_of(PROGRAM)[7:]}"
        )
        path.unlink()
        path.symlink_to(store.path.with_name(part))
    assert Store(store.path, is_ours=True).get("x").programs == (PROGRAM,)


def test_a_store_by_a_relative_path(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store.path.parent)
    relative = Store(Path("store"))
    relative.add_image("y", PROGRAM, {})
    assert relative.names() == ("x", "y")
    (store.path / "index.json").unlink()
    (store.path / "index.json").symlink_to("/etc/hostname")
    with pytest.raises(StoreError, match=r"^store store: store/index.json: is a symbolic link$"):
        relative.names()


def test_directories_that_are_made_are_not_for_others_to_write(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        Store(tmp_path / "new").add_image("x", PROGRAM, {})
    finally:
        os.umask(before)
    made = [tmp_path / "new", *[path for path in (tmp_path / "new").rglob("*") if path.is_dir()]]
    assert {path.stat().st_mode & 0o777 for path in made} == {0o755}
