import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from beepy.errors import StoreError
from beepy.oci.descriptor import Descriptor, descriptor_of, digest_of
from beepy.oci.garbage import YOUNG_S, Pruned, discard, prune
from beepy.oci.layout import Layout
from beepy.oci.store import Store
from tests.support.command import ROOT
from tests.support.stored import ELF, blob, digests, forget, referrer, sign, snapshot


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def removed(pruned: Pruned) -> set[str]:
    return {"/".join(file.parts) for file in pruned.removed}


def path_of(digest: str) -> str:
    return f"blobs/sha256/{digest[7:]}"


def test_what_no_image_needs_is_removed(store: Store) -> None:
    store.add_image("x", ELF, {})
    other = store.add_image("y", ELF + b"2", {})
    forget(store, "y")
    before = snapshot(store.path)
    dry = prune(store.layout, dry_run=True)
    assert snapshot(store.path) == before
    pruned = prune(store.layout)
    assert pruned == dry
    assert removed(pruned) == {path_of(other), path_of(digest_of(ELF + b"2"))}
    sizes = {file.parts[-1]: file.size for file in pruned.removed}
    assert sizes[digest_of(ELF + b"2")[7:]] == len(ELF) + 1
    assert store.get("x").programs == (ELF,)
    assert prune(store.layout) == Pruned()


def test_referrers_go_with_their_subject(store: Store) -> None:
    image = store.add_image("x", ELF, {})
    sign(store, image)
    tag = f"a.b/x:{image.replace(':', '-')}.sig"
    store.add_referrer(referrer(store, "", b"old"), name=tag)
    assert prune(store.layout) == Pruned()
    forget(store, "x")
    prune(store.layout)
    assert digests(store) == set()
    assert store.layout.entries() == ()


def test_a_store_that_does_not_exist(store: Store) -> None:
    assert prune(store.layout) == Pruned()
    assert not store.path.exists()


def test_what_is_no_store_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    (tmp_path / "notes").write_text("x")
    with pytest.raises(StoreError, match="not an image layout"):
        prune(Layout(tmp_path))
    assert snapshot(tmp_path) == {"notes": b"x"}


def test_what_another_program_is_bringing_is_kept(store: Store) -> None:
    """It holds no lease, but its files are young."""
    store.add_image("x", ELF, {})
    store.layout.add_blob(b"theirs", descriptor_of(b"theirs"))
    theirs = blob(store, digest_of(b"theirs"))
    ingest = store.path / "ingest" / "theirs_123"
    ingest.write_bytes(b"half")
    now = time.time()
    for age in (0, YOUNG_S - 60):
        os.utime(theirs, (now - age, now - age))
        os.utime(ingest, (now - age, now - age))
        assert prune(store.layout) == Pruned((), 1)
    os.utime(theirs, (now - YOUNG_S - 60,) * 2)
    os.utime(ingest, (now - YOUNG_S - 60,) * 2)
    assert removed(prune(store.layout)) == {path_of(digest_of(b"theirs")), "ingest/theirs_123"}


def test_a_young_referrer_is_kept_with_its_layers(store: Store) -> None:
    signature = sign(store, digest_of(b"comes later"))
    os.utime(blob(store, signature))
    assert prune(store.layout) == Pruned()
    assert digests(store) == {signature, digest_of(b"signature")}
    os.utime(blob(store, signature), (0, 0))
    assert len(removed(prune(store.layout))) == 2


def test_leftover_files(store: Store) -> None:
    store.add_image("x", ELF, {})
    ingest = store.path / "ingest"
    (ingest / "beepy-killed").write_bytes(b"half")
    with (ingest / "beepy-running").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert removed(prune(store.layout)) == {"ingest/beepy-killed"}
    assert [path.name for path in ingest.iterdir()] == ["beepy-running"]


def test_what_is_unknown_stays(store: Store) -> None:
    store.add_image("x", ELF, {})
    blobs = store.path / "blobs" / "sha256"
    (blobs / "notes").write_text("x")
    (blobs / ("0" * 64)).mkdir()
    (blobs / ("1" * 64)).symlink_to("/etc/passwd")
    (store.path / "blobs" / "sha512").mkdir()
    before = sorted(store.path.rglob("*"))
    assert prune(store.layout) == Pruned()
    assert sorted(store.path.rglob("*")) == before


def test_an_index_that_cannot_be_followed_removes_nothing(store: Store) -> None:
    store.add_image("x", ELF, {})
    forget(store, "x")
    store.layout.replace_entries(lambda now: [*now, {"digest": "sha512:00", "size": 1}])
    before = snapshot(store.path)
    with pytest.raises(StoreError, match=r"sha512:00'.*: what it leads to is unknown"):
        prune(store.layout)
    assert snapshot(store.path) == before


def test_blobs_under_a_link_are_not_removed(store: Store, tmp_path: Path) -> None:
    store.add_image("x", ELF, {})
    forget(store, "x")
    blobs = store.path / "blobs"
    blobs.rename(tmp_path / "outside")
    blobs.symlink_to(tmp_path / "outside")
    with pytest.raises(StoreError, match="is a symbolic link"):
        prune(store.layout)
    assert len(list((tmp_path / "outside" / "sha256").iterdir())) == 3


def test_discard_leaves_what_is_needed(store: Store) -> None:
    store.add_image("x", ELF, {})
    for text in (b"1", b"2"):
        store.layout.add_blob(text, Descriptor("", digest_of(text), 1))
    discard(store.layout, [digest_of(ELF), digest_of(b"1")])
    assert digest_of(b"1") not in digests(store)
    assert {digest_of(ELF), digest_of(b"2")} < digests(store)


def test_what_a_killed_process_brought_is_removed(store: Store) -> None:
    """Its lease ends with it, and its blobs are not taken for another program's."""
    store.add_image("x", ELF, {})
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from beepy.oci.descriptor import descriptor_of; from beepy.oci.layout import Layout\n"
        "layout = Layout(Path(sys.argv[1]))\n"
        "with layout.lease():\n"
        "    layout.add_blob(b'orphan', descriptor_of(b'orphan'))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(store.path)], check=False, cwd=ROOT)
    assert digest_of(b"orphan") in digests(store)
    assert removed(prune(store.layout)) == {path_of(digest_of(b"orphan"))}
