import fcntl
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from beepy.errors import DigestMismatch, StoreError
from beepy.oci.descriptor import Descriptor, descriptor_of, digest_of, verified
from beepy.oci.store import Store

PROGRAM = b"\x7fELF" + bytes(range(256)) * 40


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "deep" / "store")


def add(store: Store, chunks: Iterable[bytes], expected: Descriptor) -> None:
    store.layout.add_stream(verified(chunks, expected, "source"), expected)


@pytest.mark.parametrize(
    ("chunks", "size", "why"),
    [
        ([b"abc"], 4, "3 bytes, expected 4"),
        ([b"abc", b"de"], 4, "more than the expected 4"),
        ([b"abcX"], 4, "content"),
    ],
)
def test_what_is_not_expected_leaves_nothing(
    store: Store, chunks: list[bytes], size: int, why: str
) -> None:
    with pytest.raises(DigestMismatch, match=why):
        add(store, chunks, Descriptor("", digest_of(b"abcd"), size))
    assert list((store.path / "ingest").iterdir()) == []
    assert list((store.path / "blobs" / "sha256").iterdir()) == []


def test_an_endless_source_is_stopped_past_its_size(store: Store) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield bytes(100)

    with pytest.raises(DigestMismatch, match="more than the expected 1000 bytes"):
        add(store, endless(), Descriptor("", digest_of(b""), 1000))
    assert taken == 11


def test_a_source_that_fails_leaves_nothing(store: Store) -> None:
    def failing() -> Iterator[bytes]:
        yield b"half"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add(store, failing(), Descriptor("", digest_of(b""), 1000))
    assert list((store.path / "ingest").iterdir()) == []


def test_a_killed_writers_file_is_swept_and_a_living_ones_is_not(store: Store) -> None:
    store.add_image("x", PROGRAM, {})
    ingest = store.path / "ingest"
    script = (
        "import os,sys,signal; from pathlib import Path; from beepy.oci.layout import Layout\n"
        "from beepy.oci.descriptor import descriptor_of\n"
        "def chunks():\n yield b'half'\n os.kill(os.getpid(), signal.SIGKILL)\n"
        "Layout(Path(sys.argv[1])).add_stream(chunks(), descriptor_of(b'half'))"
    )
    subprocess.run([sys.executable, "-c", script, str(store.path)], check=False)
    assert [path.stat().st_size for path in ingest.iterdir()] == [4]
    living, foreign = ingest / "beepy-living", ingest / "oras-go-temporary"
    foreign.write_bytes(b"")
    with living.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        store.tag("x", "y")
    assert {path.name for path in ingest.iterdir()} == {"beepy-living", "oras-go-temporary"}


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("oci-layout", b"", "not JSON"),
        ("oci-layout", b'{"imageLayoutVersion":"2"}', "layout version '2'"),
        ("index.json", b"{", "not JSON"),
        ("index.json", b"[" * 100_000, "nested too deeply"),
        ("index.json", b"[]", "a JSON object"),
        ("index.json", b'{"manifests":1}', "a list of objects"),
        ("index.json", b'{"manifests":[1]}', "a list of objects"),
        (
            "index.json",
            b'{"Manifests":[]}',
            "index.json: key 'Manifests': Go programs read it as 'manifests'",
        ),
        (
            "index.json",
            b'{"manifests":[],"manifests":[]}',
            "index.json: key 'manifests': duplicate",
        ),
    ],
)
def test_a_broken_layout_is_one_clear_line(
    store: Store, name: str, content: bytes, why: str
) -> None:
    store.add_image("x", PROGRAM, {})
    (store.path / name).write_bytes(content)
    with pytest.raises(StoreError, match=why) as caught:
        store.get("x")
    assert "\n" not in str(caught.value)


def test_a_folder_of_other_things_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("x")
    with pytest.raises(StoreError, match="not an image layout"):
        Store(tmp_path).layout.add_blob(b"x", descriptor_of(b"x"))
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_a_blob_in_chunks_is_verified(store: Store) -> None:
    data = bytes(3 << 20)
    descriptor = descriptor_of(data)
    store.layout.add_blob(data, descriptor)
    chunks = list(store.layout.chunks(descriptor))
    assert len(chunks) > 2
    assert b"".join(chunks) == data
    path = store.path / "blobs" / "sha256" / descriptor.digest[7:]
    path.chmod(0o644)
    path.write_bytes(data[:-1] + b"x")
    with pytest.raises(DigestMismatch, match="content is"):
        list(store.layout.chunks(descriptor))
    path.unlink()
    with pytest.raises(StoreError, match="blob not found"):
        list(store.layout.chunks(descriptor))
