"""skopeo reads and writes our store."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from beepy.oci.store import Store

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
