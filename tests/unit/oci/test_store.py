import json
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from beepy.errors import DigestMismatch, ImageNotFound, StoreError, UnsupportedImage
from beepy.oci.descriptor import descriptor_of, digest_of
from beepy.oci.formats import bee
from beepy.oci.manifest import CREATED, OCI_INDEX, OCI_MANIFEST, REF_NAME
from beepy.oci.store import Entry, Store

PROGRAM = b"\x7fELF" + bytes(range(256)) * 40
PLATFORM = {"architecture": "x86_64", "os": "Linux"}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "deep" / "store")


def blob(store: Store, digest: str) -> Path:
    return store.path / "blobs" / "sha256" / digest.removeprefix("sha256:")


def index(store: Store) -> dict[str, object]:
    value: dict[str, object] = json.loads((store.path / "index.json").read_bytes())
    return value


def entries(store: Store) -> list[dict[str, object]]:
    value = index(store)["manifests"]
    assert isinstance(value, list)
    return value


def test_an_absent_store_is_empty_and_reading_makes_nothing(store: Store) -> None:
    assert store.list() == ()
    assert store.find("x") is None
    with pytest.raises(ImageNotFound, match="x: not in store "):
        store.get("x")
    assert not store.path.exists()


def test_image_goes_in_and_out(store: Store) -> None:
    digest = store.add_image("exitsnoop:v1", PROGRAM, {CREATED: "2026-11-24T00:00:00Z"}, PLATFORM)
    image = store.get("exitsnoop:v1")
    assert image.programs == (PROGRAM,)
    assert (image.name, image.digest, image.platform, image.format) == (
        "exitsnoop:v1",
        digest,
        "linux/amd64",
        "bee",
    )
    manifest = blob(store, digest).read_bytes()
    size = len(manifest) + len(PROGRAM) + 2
    assert image.size == size
    assert store.list() == (
        Entry("exitsnoop:v1", None, digest, size, "2026-11-24T00:00:00Z", "linux/amd64"),
    )


def test_the_layout_is_bees_byte_for_byte(store: Store) -> None:
    digest = store.add_image("exitsnoop:v1", PROGRAM, {}, PLATFORM)
    manifest = (
        '{"schemaVersion":2,"config":{"mediaType":"application/ebpf.oci.image.config.v1+json",'
        '"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2,'
        '"annotations":{"org.opencontainers.image.title":"config.json"}},'
        '"layers":[{"mediaType":"application/ebpf.oci.image.program.v1+binary",'
        f'"digest":"{digest_of(PROGRAM)}","size":{len(PROGRAM)},'
        '"annotations":{"org.opencontainers.image.title":"program.o"}}]}'
    ).encode()
    assert blob(store, digest).read_bytes() == manifest
    assert (store.path / "oci-layout").read_bytes() == b'{"imageLayoutVersion":"1.0.0"}'
    assert (store.path / "index.json").read_text() == (
        '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",'
        f'"digest":"{digest}","size":{len(manifest)},'
        '"annotations":{"org.opencontainers.image.ref.name":"exitsnoop:v1"},'
        '"platform":{"architecture":"x86_64","os":"Linux"}}]}'
    )
    assert stat.S_IMODE(blob(store, digest).stat().st_mode) == 0o444
    assert list((store.path / "ingest").iterdir()) == []


def test_lookup_is_verbatim_then_normalised(store: Store) -> None:
    plain = store.add_image("x", PROGRAM, {})
    full = store.add_image("docker.io/library/x:latest", PROGRAM + b"2", {})
    assert store.get("x").digest == plain
    assert store.get("docker.io/library/x:latest").digest == full
    assert store.get("index.docker.io/x").digest in {plain, full}
    with pytest.raises(ImageNotFound):
        store.get("x:1")


def test_a_pinned_name_finds_only_its_digest(store: Store) -> None:
    digest = store.add_image("a.b/x:1", PROGRAM, {})
    other = digest_of(b"other")
    store._set_entry(
        f"a.b/x@{other}", {**entries(store)[0], "annotations": {REF_NAME: f"a.b/x@{other}"}}
    )
    assert store.find(f"a.b/x@{other}") is None
    store._set_entry(
        f"a.b/x@{digest}", {**entries(store)[0], "annotations": {REF_NAME: f"a.b/x@{digest}"}}
    )
    assert store.get(f"a.b/x@{digest}").digest == digest


def test_a_name_moves_and_the_unknown_stays(store: Store) -> None:
    store.add_image("x", PROGRAM, {})
    foreign = {"mediaType": "m", "digest": "sha512:00", "size": -1, "data": "e30=", "urls": ["u"]}
    whole = {**index(store), "subject": {"a": 1}, "manifests": [foreign, *entries(store)]}
    (store.path / "index.json").write_text(json.dumps(whole))
    digest = store.add_image("x", PROGRAM + b"2", {})
    assert entries(store)[0] == foreign
    assert index(store)["subject"] == {"a": 1}
    assert [entry.digest for entry in store.list()] == [digest]
    assert len(entries(store)) == 2


def test_tag_keeps_platform_and_foreign_annotations(store: Store) -> None:
    store.add_image("x", PROGRAM, {}, {**PLATFORM, "os.version": "6.1.0"})
    entry = entries(store)[0]
    entry["annotations"] = {REF_NAME: "x", "other": "kept"}
    (store.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    store.tag("x", "y:1")
    assert entries(store)[1] == {**entry, "annotations": {REF_NAME: "y:1", "other": "kept"}}
    with pytest.raises(ImageNotFound, match="z: not in"):
        store.tag("z", "y")


def test_tag_works_in_a_layout_without_ingest(store: Store) -> None:
    store.add_image("x", PROGRAM, {})
    (store.path / "ingest").rmdir()
    store.tag("x", "y")
    assert store.names() == ("x", "y")


@pytest.mark.parametrize("damage", ["flip", "cut", "grow", "gone", "fifo", "folder"])
def test_every_read_is_verified(store: Store, damage: str) -> None:
    store.add_image("x", PROGRAM, {})
    path = blob(store, digest_of(PROGRAM))
    data = bytearray(PROGRAM)
    path.unlink()
    if damage == "flip":
        data[5000] ^= 1
        path.write_bytes(data)
    elif damage == "cut":
        path.write_bytes(data[:-1])
    elif damage == "grow":
        path.write_bytes(data + b"x")
    elif damage == "fifo":
        os.mkfifo(path)
    elif damage == "folder":
        path.mkdir()
    with pytest.raises((DigestMismatch, StoreError), match="sha256"):
        store.get("x")


def test_a_damaged_blob_is_written_again(store: Store) -> None:
    store.add_image("x", PROGRAM, {})
    path = blob(store, digest_of(PROGRAM))
    path.unlink()
    path.write_bytes(b"rubbish")
    store.add_image("x", PROGRAM, {})
    assert store.get("x").programs == (PROGRAM,)


def test_the_manifest_is_verified_too(store: Store) -> None:
    digest = store.add_image("x", PROGRAM, {})
    data = blob(store, digest).read_bytes()
    blob(store, digest).unlink()
    blob(store, digest).write_bytes(data.replace(b"program.o", b"program.p"))
    with pytest.raises(DigestMismatch, match="content is sha256:"):
        store.get("x")
    assert store.list() == (Entry("x", None, digest, None, None, None),)


def _tag_many(path: Path, worker: int, number: int) -> None:
    store = Store(path)
    for tag in range(number):
        store.add_image(f"w{worker}:{tag}", PROGRAM + bytes([worker, tag]), {})
        store.get(f"w{worker}:{tag}")


def test_eight_processes_lose_no_name(store: Store) -> None:
    workers, number = 8, 15
    context = multiprocessing.get_context("spawn")
    running = [
        context.Process(target=_tag_many, args=(store.path, worker, number))
        for worker in range(workers)
    ]
    for process in running:
        process.start()
    torn = 0
    while any(process.is_alive() for process in running):
        for name in store.names()[-1:]:
            torn += store.get(name).name != name
    for process in running:
        process.join()
        assert process.exitcode == 0
        process.close()
    assert torn == 0
    names = {entry.name for entry in store.list() if entry.size}
    assert names == {f"w{worker}:{tag}" for worker in range(workers) for tag in range(number)}
    assert list((store.path / "ingest").iterdir()) == []


def test_of_two_entries_of_a_name_the_last_is_tagged(store: Store) -> None:
    store.add_image("one:1", PROGRAM, {}, PLATFORM)
    first = entries(store)
    second = store.add_image("one:1", PROGRAM + b"x", {}, PLATFORM)
    (store.path / "index.json").write_text(
        json.dumps({**index(store), "manifests": [*first, *entries(store)]})
    )
    assert store.get("one:1").digest == second
    store.tag("one:1", "two:1")
    assert store.get("two:1").digest == second


def test_a_pinned_name_reads_no_other_image(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    manifest = bee.write_manifest(PROGRAM, {})
    part = {"mediaType": OCI_MANIFEST, "digest": digest_of(manifest), "size": len(manifest)}
    other = {**part, "platform": {"os": "linux", "architecture": "arm64"}}
    store.layout.add_blob(manifest, descriptor_of(manifest))
    index_ = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [other]}).encode()
    store.put("other.example/b:1", index_, OCI_INDEX)
    store.put("reg.example/a:old", index_, OCI_INDEX)
    wanted = store.add_image("reg.example/a:1", PROGRAM, {}, PLATFORM)
    assert store.find(f"reg.example/a:1@{wanted}")
    assert store.find("foo@bar") is None
    assert not caplog.records


def test_an_image_behind_an_index_is_known_by_both_digests(store: Store) -> None:
    manifest = store.add_image("part:1", PROGRAM, {}, PLATFORM)
    size = blob(store, manifest).stat().st_size
    part = {"mediaType": OCI_MANIFEST, "digest": manifest, "size": size, "platform": PLATFORM}
    both = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [part]}).encode()
    top = store.put("some/whole:1", both, OCI_INDEX)
    for digest in (manifest, top):
        found = store.find(f"some/whole@{digest}")
        assert found
        assert found[1].digest == top
        assert store.get(f"some/whole@{digest}").digest == manifest
        assert store.find(f"some/other@{digest}") is None
    (entry,) = [one for one in store.list() if one.name == "some/whole:1"]
    assert entry.size == store.get("some/whole:1").size


def test_a_folder_of_other_things_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(StoreError, match="not an image layout"):
        Store(tmp_path).list()
    with pytest.raises(StoreError, match="not an image layout"):
        Store(tmp_path).add_image("x", PROGRAM, {})
    with pytest.raises(StoreError, match="Not a directory"):
        Store(tmp_path / "letter.txt").list()


def test_reading_needs_no_write(store: Store) -> None:
    store.add_image("x", PROGRAM, {})
    (store.path / "ingest").rmdir()
    before = sorted((path, path.stat().st_mtime_ns) for path in store.path.rglob("*"))
    store.get("x")
    store.list()
    assert sorted((path, path.stat().st_mtime_ns) for path in store.path.rglob("*")) == before


@pytest.mark.parametrize(
    "manifest", [b"", b"{}", b"null", b'{"schemaVersion":2,"manifests":[],"layers":[]}']
)
def test_put_takes_only_manifests(store: Store, manifest: bytes) -> None:
    with pytest.raises(UnsupportedImage):
        store.put("x", manifest)
    assert store.list() == ()
