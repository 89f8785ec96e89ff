"""bee and oras in our store: what they name and sign we tag, save and remove, and back.

oras takes what follows the last colon for a layout's name: here names have none.
"""

import json
import subprocess
from pathlib import Path

import pytest

from beepy.oci.copying import tag
from beepy.oci.garbage import prune
from beepy.oci.loading import load
from beepy.oci.lookup import Options
from beepy.oci.removal import remove
from beepy.oci.save import replaced, save
from beepy.oci.store import Store
from beepy.oci.stored_referrers import referrers
from tests.support.stored import ELF, add_index, digests, sign

pytestmark = pytest.mark.registry

TYPE = "application/vnd.test.signature"
bee_peer, oras_peer = pytest.mark.peer("bee"), pytest.mark.peer("oras")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def options(store: Store) -> Options:
    return Options(storage=store.path)


def run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def bee(store: Store, *arguments: str) -> str:
    return run("bee", "--storage", str(store.path), "--config-dir", str(store.path), *arguments)


def attach(store: Store, name: str, folder: Path) -> None:
    """Attach a file to an image, as a signature is."""
    (folder / "signature").write_bytes(b"by oras")
    image = f"{store.path}:{name}"
    run("oras", "attach", "--oci-layout", image, "--artifact-type", TYPE, "signature", cwd=folder)


def discovered(store: Store, name: str) -> list[str]:
    """Return the digests of what oras finds to refer to an image."""
    command = ("oras", "discover", "--oci-layout", f"{store.path}:{name}", "--format", "json")
    value = json.loads(run(*command))
    return [item["digest"] for item in value.get("referrers") or value.get("manifests") or ()]


@bee_peer
def test_bee_lists_and_tags_what_we_tagged_and_loaded(
    store: Store, options: Options, tmp_path: Path
) -> None:
    digest = store.add_image("x:1", ELF, {}, {"architecture": "x86_64", "os": "Linux"})
    tag("x:1", "y:2", options)
    with replaced(str(tmp_path / "x.tar")) as write:
        save(["y:2"], write, options)
    load(str(tmp_path / "x.tar"), "z:3", options)
    remove(["y:2"], options)
    out = bee(store, "list")
    assert ("x:1" in out, "y:2" in out, "z:3" in out) == (True, False, True)
    bee(store, "tag", "z:3", "by-bee:4")
    assert store.get("by-bee:4").digest == digest
    assert prune(store.layout).removed == ()
    remove(["x:1", "z:3", "by-bee:4"], options)
    assert digests(store) == set()


@oras_peer
def test_oras_signs_and_we_carry_it(store: Store, options: Options, tmp_path: Path) -> None:
    digest = store.add_image("x", ELF, {})
    attach(store, "x", tmp_path)
    (signature,) = referrers(store.layout, digest)
    assert signature.artifact_type == TYPE
    assert discovered(store, "x") == [signature.digest]
    with replaced(str(tmp_path / "x.tar")) as write:
        save(["x"], write, options)
    other = Store(tmp_path / "other")
    load(str(tmp_path / "x.tar"), "", Options(storage=other.path))
    assert [item.digest for item in referrers(other.layout, digest)] == [signature.digest]
    assert discovered(other, "x") == [signature.digest]
    assert prune(store.layout).removed == ()
    remove(["x"], options)
    assert (digests(store), store.layout.entries()) == (set(), ())


@oras_peer
def test_oras_reads_what_we_signed_and_copies_it(store: Store, tmp_path: Path) -> None:
    digest = store.add_image("x", ELF, {})
    signature = sign(store, digest)
    assert discovered(store, "x") == [signature]
    copy = Store(tmp_path / "copy")
    names = (f"{store.path}:x", f"{copy.path}:y")
    run("oras", "copy", "-r", "--from-oci-layout", names[0], "--to-oci-layout", names[1])
    other = Store(tmp_path / "other")
    load(str(copy.path), "", Options(storage=other.path))
    assert other.names() == ("y",)
    assert [item.digest for item in referrers(other.layout, digest)] == [signature]
    assert digests(other) == digests(store)


@oras_peer
def test_an_index_that_oras_copied(store: Store, tmp_path: Path) -> None:
    """Its manifests are entries without a name."""
    digest = add_index(store, "x", {"amd64": ELF, "arm64": ELF + b"2"})
    copy = Store(tmp_path / "copy")
    names = (f"{store.path}:x", f"{copy.path}:y")
    run("oras", "copy", "--from-oci-layout", names[0], "--to-oci-layout", names[1])
    other = Store(tmp_path / "other")
    assert load(str(copy.path), "", Options(storage=other.path)) == [("y", digest)]
    assert digests(other) == digests(store)
    remove(["y"], Options(storage=other.path))
    assert digests(other) == set()
