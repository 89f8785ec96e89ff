"""skopeo reads and writes our store."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from beepy.oci.garbage import prune
from beepy.oci.loading import load
from beepy.oci.lookup import Options
from beepy.oci.removal import remove
from beepy.oci.save import replaced, save
from beepy.oci.store import Store
from tests.support.stored import sign

pytestmark = pytest.mark.registry

PROGRAM = b"\x7fELF" + bytes(range(256)) * 40
NAME = "127.0.0.1:5055/bb/x:v1"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    if not shutil.which("skopeo"):
        pytest.skip("skopeo is not installed")
    return Store(tmp_path / "store")


def copy(source: str, target: str) -> None:
    subprocess.run(["skopeo", "copy", "-q", source, target], check=True)


def test_skopeo_reads_the_store(store: Store, tmp_path: Path) -> None:
    digest = store.add_image(NAME, PROGRAM, {})
    copy(f"oci:{store.path}:{NAME}", f"oci:{tmp_path / 'copy'}:y:2")
    assert Store(tmp_path / "copy").get("y:2").digest == digest


def test_skopeo_writes_into_the_store(store: Store, tmp_path: Path) -> None:
    store.add_image(NAME, PROGRAM, {})
    other = Store(tmp_path / "other")
    other.add_image("a", PROGRAM[::-1], {})
    copy(f"oci:{other.path}:a", f"oci:{store.path}:z:3")
    assert store.get("z:3").programs == (PROGRAM[::-1],)
    assert set(store.names()) == {NAME, "z:3"}


@pytest.mark.skipif(
    os.geteuid() != 0,
    reason="skopeo writes a manifest in place, which is read-only, as oras-go's are",
)
def test_skopeo_gives_an_image_of_the_store_another_name(store: Store) -> None:
    store.add_image(NAME, PROGRAM, {})
    copy(f"oci:{store.path}:{NAME}", f"oci:{store.path}:z:3")
    assert store.get("z:3") == store.get(NAME)._replace(name="z:3")


def test_skopeo_reads_what_save_wrote(store: Store, tmp_path: Path) -> None:
    digests = [store.add_image(name, PROGRAM + name.encode(), {}) for name in (NAME, "y:2")]
    sign(store, digests[0])
    path = tmp_path / "images.tar"
    with replaced(str(path)) as write:
        save([NAME, "y:2"], write, Options(storage=store.path))
    other = Store(tmp_path / "other")
    for name, digest in zip((NAME, "y:2"), digests, strict=True):
        copy(f"oci-archive:{path}:{name}", f"oci:{other.path}:{name}")
        assert other.get(name).digest == digest
    with replaced(str(path)) as write:
        save(["y:2"], write, Options(storage=store.path))
    copy(f"oci-archive:{path}", f"oci:{other.path}:only")
    assert other.get("only").digest == digests[1]


@pytest.mark.parametrize("transport", ["oci-archive", "oci"])
def test_load_reads_what_skopeo_wrote(store: Store, tmp_path: Path, transport: str) -> None:
    origin = Store(tmp_path / "origin")
    digest = origin.add_image("a", PROGRAM, {})
    options = Options(storage=store.path)
    named, unnamed = tmp_path / "named", tmp_path / "unnamed"
    copy(f"oci:{origin.path}:a", f"{transport}:{named}:{NAME}")
    assert load(str(named), "", options) == [(NAME, digest)]
    copy(f"oci:{origin.path}:a", f"{transport}:{unnamed}")
    assert load(str(unnamed), "b", options) == [("b", digest)]
    assert store.get(NAME).programs == store.get("b").programs == (PROGRAM,)


def test_rm_and_prune_in_a_store_that_skopeo_writes_to(store: Store, tmp_path: Path) -> None:
    origin = Store(tmp_path / "origin")
    origin.add_image("a", PROGRAM, {})
    for name in (NAME, "b"):
        copy(f"oci:{origin.path}:a", f"oci:{store.path}:{name}")
    remove([NAME], Options(storage=store.path))
    assert prune(store.layout).removed == ()
    assert store.get("b").programs == (PROGRAM,)
    remove(["b"], Options(storage=store.path))
    assert list((store.path / "blobs" / "sha256").iterdir()) == []
    copy(f"oci:{origin.path}:a", f"oci:{store.path}:c")
    assert store.get("c").programs == (PROGRAM,)
