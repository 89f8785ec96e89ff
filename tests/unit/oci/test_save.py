import errno
import json
import os
import subprocess
import sys
import tarfile
import threading
from pathlib import Path

import pytest

from beepy.errors import DigestMismatch, ImageError, OutputError, StoreError
from beepy.oci import lookup, save
from beepy.oci.archive import Archive
from beepy.oci.descriptor import Descriptor, descriptor_of, digest_of, verified
from beepy.oci.lookup import Options, bundled_store
from beepy.oci.manifest import OCI_MANIFEST
from beepy.oci.options import default_storage
from beepy.oci.store import Store
from tests.support.command import ROOT
from tests.support.stored import ELF, add_index, blob, digests, sign
from tests.support.told import notes


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    (tmp_path / "out").mkdir()
    return tmp_path / "home"


@pytest.fixture
def store() -> Store:
    return Store(default_storage())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out" / "x.tar"


def to_bytes(*images: str) -> bytes:
    chunks: list[bytes] = []
    save.save(images, chunks.append, Options())
    return b"".join(chunks)


def to_file(path: Path, *images: str) -> None:
    with save.replaced(str(path)) as write:
        save.save(images, write, Options())


def test_an_archive_runs(store: Store, path: Path) -> None:
    digest = store.add_image("a.b/x:1", ELF, {})
    sign(store, digest)
    store.add_image("other", ELF + b"2", {})
    to_file(path, "a.b/x:1")
    assert lookup.find(str(path)).programs == (ELF,)
    with tarfile.open(path) as tar:
        names = tar.getnames()
        assert names[:2] == ["oci-layout", "index.json"]
        assert names[2:] == sorted(names[2:])
        assert len(names) == 7
        members = tar.getmembers()
    assert {(item.mtime, item.uid, item.gid, item.mode) for item in members} == {(0, 0, 0, 0o644)}
    assert path.stat().st_size % 512 == 0


def test_the_same_images_are_the_same_bytes(store: Store, tmp_path: Path) -> None:
    first = store.add_image("x", ELF, {})
    store.add_image("y", ELF + b"2", {})
    sign(store, first)
    data = to_bytes("x", "y")
    assert to_bytes("y", "x") == data
    other = Store(tmp_path / "other")
    other.add_image("y", ELF + b"2", {})
    other.add_image("x", ELF, {})
    sign(other, first)
    chunks: list[bytes] = []
    save.save(["x", "y"], chunks.append, Options(storage=other.path))
    assert b"".join(chunks) == data


def test_names_and_entries_are_kept(store: Store, path: Path) -> None:
    store.add_image("docker.io/library/x:latest", ELF, {}, {"os": "Linux", "os.version": "6"})
    store.add_image("a", ELF + b"2", {})
    to_file(path, "x", "a", "exitsnoop", "a")
    with path.open("rb") as file:
        entries = Archive(file, "x").entries()
    first, second = store.layout.entries()
    bundled = bundled_store()
    stored = bundled.find("exitsnoop")
    assert stored
    assert entries == (second, first, bundled.entry(*stored))


def test_an_index_is_saved_whole(store: Store, path: Path) -> None:
    add_index(store, "x", {"amd64": ELF, "arm64": ELF + b"2"})
    to_file(path, "x")
    with tarfile.open(path) as tar:
        blobs = {f"sha256:{Path(name).name}" for name in tar.getnames()[2:]}
    assert blobs == digests(store)


def test_a_partial_image_writes_nothing(store: Store, path: Path) -> None:
    store.add_image("a.b/x:1", ELF, {})
    store.add_image("y", ELF + b"2", {})
    blob(store, digest_of(ELF)).unlink()
    path.write_bytes(b"before")
    with pytest.raises(StoreError) as caught:
        to_file(path, "y", "a.b/x:1")
    assert str(caught.value).startswith("a.b/x:1: partial: store ")
    assert notes(caught.value) == ["beepy pull a.b/x:1"]
    assert path.read_bytes() == b"before"
    assert list(path.parent.iterdir()) == [path]


def test_a_damaged_blob_leaves_no_file(store: Store, path: Path) -> None:
    store.add_image("x", ELF, {})
    damaged = blob(store, digest_of(ELF))
    damaged.unlink()
    damaged.write_bytes(ELF[::-1])
    with pytest.raises(DigestMismatch):
        to_file(path, "x")
    assert list(path.parent.iterdir()) == []


def test_what_is_not_found_writes_nothing(path: Path) -> None:
    with pytest.raises(ImageError, match="no image 'nosuch'"):
        to_file(path, "nosuch")
    assert list(path.parent.iterdir()) == []


def test_a_file_is_replaced_at_once(path: Path) -> None:
    path.write_bytes(b"before")
    with save.replaced(str(path)) as write:
        write(b"after")
        assert path.read_bytes() == b"before"
    assert path.read_bytes() == b"after"
    link = path.with_name("link")
    link.symlink_to(path)
    with save.replaced(str(link)) as write:
        write(b"by a link")
    assert link.is_symlink()
    assert path.read_bytes() == b"by a link"


def test_a_pipe_is_written_to(path: Path) -> None:
    os.mkfifo(path)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    with save.replaced(str(path)) as write:
        write(b"data")
    reader.join()
    assert read == [b"data"]


def test_errors_of_the_file(path: Path) -> None:
    missing = path.parent / "none" / "x.tar"
    with pytest.raises(OutputError) as caught, save.replaced(str(missing)):
        pass
    assert str(caught.value) == f"{missing}: no such file or directory"
    with pytest.raises(OutputError, match="no space left on device"), save.replaced(str(path)):
        raise OSError(errno.ENOSPC, "")
    with pytest.raises(OutputError, match="no space left on device"):
        to_file(Path("/dev/full"), "exitsnoop")
    assert list(path.parent.iterdir()) == []


MEMORY = """
import sys
from beepy.oci import loading, save
from beepy.oci.options import Options
from pathlib import Path

def peak():  # of this program: what getrusage says begins with that of the parent
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) >> 10

path, store, other = sys.argv[1:]
with save.replaced(str(Path(path).with_name("small"))) as write:
    save.save(["exitsnoop"], write, Options(storage=Path(store)))
loading.load(str(Path(path).with_name("small")), "small", Options(storage=Path(other)))
before = peak()
with save.replaced(path) as write:
    save.save(["large"], write, Options(storage=Path(store)))
saved = peak()
loading.load(path, "", Options(storage=Path(other)))
print(saved - before, peak() - before)
"""


def test_a_layer_of_200_mb_needs_no_memory(store: Store, path: Path) -> None:
    size, chunk = 200 << 20, bytes(1 << 20)
    import hashlib

    digest = f"sha256:{hashlib.sha256(bytes(size)).hexdigest()}"
    layer = Descriptor("application/octet-stream", digest, size)
    chunks = (chunk for _ in range(200))
    store.layout.add_stream(verified(chunks, layer, "test"), layer)
    body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [layer.entry()]}
    data = json.dumps(body).encode()
    manifest = descriptor_of(data, OCI_MANIFEST)
    store.layout.add_blob(data, manifest)
    store.set_name("large", manifest)
    other = path.with_name("other")
    command = [sys.executable, "-c", MEMORY, str(path), str(store.path), str(other)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    megabytes = [int(text) for text in done.stdout.split()]
    assert max(megabytes) < 60, megabytes
    assert digest in digests(Store(other))
    for item in (path, blob(store, digest), blob(Store(other), digest)):
        item.unlink()
