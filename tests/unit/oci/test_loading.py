import gzip
import json
import os
import shutil
import tarfile
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from beepy.errors import (
    BeepyError,
    DigestMismatch,
    ImageNotFound,
    InvalidReference,
    UnsupportedImage,
    UntrustedImage,
    UsageError,
)
from beepy.oci import copying, loading, save
from beepy.oci.descriptor import Descriptor, descriptor_of, digest_of
from beepy.oci.layout import IndexEntry, Layout
from beepy.oci.lookup import Options, bundled_store
from beepy.oci.manifest import (
    OCI_INDEX,
    OCI_MANIFEST,
    REF_NAME,
    Index,
    machine_platform,
    read_document,
)
from beepy.oci.options import default_storage
from beepy.oci.store import Store, renamed
from beepy.oci.stored_referrers import referrers
from tests.support.signing import bundle, bundle_holder, new_key
from tests.support.stored import ELF, add_index, blob, digests, referrer, sign, snapshot
from tests.support.told import notes


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    return tmp_path / "home"


@pytest.fixture
def own() -> Store:
    return Store(default_storage())


@pytest.fixture
def theirs(tmp_path: Path) -> Store:
    return Store(tmp_path / "theirs")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.tar"


def pack(store: Store, path: Path, names: Sequence[str] = ()) -> None:
    """Pack a whole layout, as any program may."""
    files = snapshot(store.path)
    with tarfile.open(path, "w") as tar:
        for name in names or files:
            tar.add(store.path / name, name)


def load(path: Path | str, name: str = "") -> list[tuple[str, str]]:
    return loading.load(str(path), name, Options())


def refusal(own: Store, path: Path | str, name: str = "") -> BeepyError:
    """Return why nothing was loaded."""
    before = snapshot(own.path)
    with pytest.raises(BeepyError) as caught:
        load(path, name)
    assert snapshot(own.path) == before
    assert "\n" not in str(caught.value)
    return caught.value


def rename(store: Store, name: object, **annotations: object) -> None:
    changed = {REF_NAME: name, **annotations} if name else annotations
    store.layout.replace_entries(lambda now: [{**now[0], "annotations": changed}, *now[1:]])


def test_what_save_wrote(own: Store, theirs: Store, path: Path) -> None:
    image = theirs.add_image("a.b/x:1", ELF, {}, {"os": "Linux", "os.version": "6.1"})
    theirs.add_image("y", ELF + b"2", {})
    signature = sign(theirs, image)
    tag = f"a.b/x:{image.replace(':', '-')}.sig"
    theirs.add_referrer(referrer(theirs, "", b"old"), name=tag)
    with save.replaced(str(path)) as write:
        save.save(["a.b/x:1", "y"], write, Options(storage=theirs.path))
    assert load(path) == [("a.b/x:1", image), ("y", theirs.get("y").digest)]
    assert own.list() == theirs.list()
    assert signature in [item.digest for item in referrers(own.layout, image)]
    assert len(referrers(own.layout, image)) == 2
    assert digests(own) == digests(theirs)
    assert load(path) == load(path)
    assert len(own.layout.entries()) == 4
    entries = {str(entry): entry for entry in theirs.layout.entries()}
    assert {str(entry) for entry in own.layout.entries()} == set(entries)


def test_only_what_an_image_needs_is_loaded(own: Store, theirs: Store, path: Path) -> None:
    theirs.add_image("x", ELF, {})
    theirs.layout.add_blob(b"more", descriptor_of(b"more"))
    sign(theirs, digest_of(b"another"))
    pack(theirs, path)
    load(path)
    assert len(digests(own)) == 3
    assert len(own.layout.entries()) == 1


def test_a_signature_that_is_listed_many_times(own: Store, theirs: Store, path: Path) -> None:
    sign(theirs, theirs.add_image("x", ELF, {}))
    theirs.layout.replace_entries(lambda now: [*now, *[now[-1]] * 9])
    pack(theirs, path)
    load(path)
    assert len(own.layout.entries()) == 2


def test_the_order_of_members_does_not_matter(own: Store, theirs: Store, path: Path) -> None:
    theirs.add_image("x", ELF, {})
    pack(theirs, path, list(snapshot(theirs.path))[::-1])
    load(path)
    assert own.get("x").programs == (ELF,)


def test_an_index_is_loaded_whole(own: Store, theirs: Store, path: Path) -> None:
    add_index(theirs, "x", {"amd64": ELF, "arm64": ELF + b"2"})
    pack(theirs, path)
    load(path)
    assert digests(own) == digests(theirs)


def test_a_directory(own: Store, theirs: Store) -> None:
    theirs.add_image("x", ELF, {})
    load(theirs.path)
    assert own.get("x").programs == (ELF,)
    assert str(refusal(own, own.path)) == f"{own.path}: the store itself"


def test_standard_input(
    own: Store, theirs: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs.add_image("x", ELF, {})
    pack(theirs, path)
    real = os.read
    for data, sizes in ((path.read_bytes(), (1 << 20,)), (path.read_bytes(), (100,))):
        reader, writer = os.pipe()
        thread = threading.Thread(target=_feed, args=(writer, data))
        thread.start()
        monkeypatch.setattr(
            os,
            "read",
            lambda fd, size, reader=reader, most=sizes[0]: real(
                reader if fd == 0 else fd, min(size, most)
            ),
        )
        assert load("-") == [("x", theirs.get("x").digest)]
        thread.join()
        os.close(reader)
    assert list((own.path / "ingest").iterdir()) == []


def _feed(writer: int, data: bytes) -> None:
    with open(writer, "wb") as pipe:
        pipe.write(data)


@pytest.mark.parametrize("name", ["other:1", "a.b/x@{digest}"])
def test_a_new_name(own: Store, theirs: Store, path: Path, name: str) -> None:
    digest = theirs.add_image("x", ELF, {})
    rename(theirs, None)
    pack(theirs, path)
    name = name.format(digest=digest)
    assert load(path, name) == [(name, digest)]
    assert own.names() == (name,)


def test_the_full_name_of_containerd(own: Store, theirs: Store, path: Path) -> None:
    theirs.add_image("latest", ELF, {})
    rename(theirs, "latest", **{"io.containerd.image.name": "docker.io/me/x:latest"})
    pack(theirs, path)
    load(path)
    assert own.names() == ("docker.io/me/x:latest",)


@pytest.mark.parametrize("is_tagged", [False, True])
def test_a_new_name_is_the_only_one(
    tmp_path: Path, theirs: Store, path: Path, *, is_tagged: bool
) -> None:
    theirs.add_image("latest", ELF, {})
    rename(theirs, "latest", **{"io.containerd.image.name": "docker.io/me/x:latest", "a": "kept"})
    pack(theirs, path)
    name = "mine:1"
    load(path, "" if is_tagged else name)
    if is_tagged:
        copying.tag("docker.io/me/x:latest", name, Options())
    with save.replaced(str(path)) as write:
        save.save([name], write, Options())
    other = tmp_path / "other"
    loading.load(str(path), "", Options(storage=other))
    assert Store(other).names() == (name,)
    assert Store(other).layout.entries()[0]["annotations"] == {REF_NAME: name, "a": "kept"}


def test_a_large_manifest_is_not_parsed(own: Store, theirs: Store, path: Path) -> None:
    theirs.add_image("x", ELF, {})
    large = b"[%b{}]" % (b"{}," * (2 << 20))
    theirs.layout.add_blob(large, descriptor_of(large))
    entry = {**descriptor_of(large, OCI_MANIFEST).entry(), "annotations": {REF_NAME: "x"}}
    theirs.layout.replace_entries(lambda _: [entry])
    pack(theirs, path)
    assert str(refusal(own, path)).endswith(f"manifest of {len(large)} bytes")


@pytest.mark.parametrize(
    ("stored", "name", "kind", "why"),
    [
        (None, "", UnsupportedImage, "the image has no name"),
        ("A b\x1b", "", UnsupportedImage, "reference 'A b\\x1b': repository: "),
        (f"x@{digest_of(b'')}", "", UnsupportedImage, "another digest than its name has"),
        ("exitsnoop", "", UnsupportedImage, "exitsnoop: the name of a bundled image"),
        ("exitsnoop:latest", "", UnsupportedImage, "latest: the name of a bundled image"),
        ("docker.io/library/exitsnoop", "", UnsupportedImage, "the name of a bundled image"),
        ("x", "A b", InvalidReference, "repository: "),
        ("x", f"x@{digest_of(b'')}", UnsupportedImage, "another digest than its name has"),
    ],
)
def test_names_that_are_none(
    own: Store, theirs: Store, path: Path, stored: object, *, name: str, kind: type, why: str
) -> None:
    theirs.add_image("x", ELF, {})
    rename(theirs, stored)
    pack(theirs, path)
    error = refusal(own, path, name)
    assert isinstance(error, kind)
    assert why in str(error)
    if not name and "another" not in why:
        assert notes(error)[-1] == "--name REF gives the image another name"


def test_a_bundled_image_itself(own: Store, path: Path) -> None:
    with save.replaced(str(path)) as write:
        save.save(["exitsnoop"], write, Options())
    load(path)
    assert own.get("exitsnoop").digest == bundled_store().get("exitsnoop").digest


def test_several_images_take_no_name(own: Store, theirs: Store, path: Path) -> None:
    theirs.add_image("x", ELF, {})
    theirs.add_image("y", ELF, {})
    pack(theirs, path)
    error = refusal(own, path, "z")
    assert isinstance(error, UsageError)
    assert str(error) == f"{path}: several images: name 'z' would fit only one"
    theirs.add_image("y", ELF + b"2", {})
    theirs.layout.replace_entries(lambda now: [renamed(entry, "x") for entry in now])
    pack(theirs, path)
    assert "several images have the name x" in str(refusal(own, path))


def test_a_name_that_moves_is_reported(
    own: Store, theirs: Store, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = own.add_image("x", ELF + b"old", {})
    theirs.add_image("x", ELF, {})
    pack(theirs, path)
    load(path)
    assert caplog.messages == [f"x: was {old}"]
    assert own.get("x").programs == (ELF,)


def test_signatures_that_are_replaced_are_told(
    own: Store, theirs: Store, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = own.add_image("x", ELF, {})
    tag = f"x:{image.replace(':', '-')}.sig"
    signature = own.add_referrer(referrer(own, ""), name=tag)
    theirs.add_image("x", ELF, {})
    theirs.add_referrer(referrer(theirs, "", b"of another"), name=tag)
    pack(theirs, path)
    load(path)
    assert caplog.messages == [f"{tag}: was {signature.digest}"]


def test_the_index_is_read_a_few_times_for_many_names(
    theirs: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs.add_image("x", ELF, {})
    theirs.layout.replace_entries(lambda now: [renamed(now[0], f"x:{n}") for n in range(50)])
    pack(theirs, path)
    entries, read = Layout.entries, []

    def counted(layout: Layout) -> tuple[IndexEntry, ...]:
        read.append(layout.path)
        return entries(layout)

    monkeypatch.setattr(Layout, "entries", counted)
    load(path)
    assert len([where for where in read if where != bundled_store().path]) < 5


def test_what_is_missing_or_damaged(own: Store, theirs: Store, path: Path) -> None:
    own.add_image("mine", ELF + b"mine", {})
    digest = theirs.add_image("x", ELF, {})
    program = blob(theirs, digest_of(ELF))
    program.unlink()
    program.write_bytes(ELF[::-1])
    pack(theirs, path)
    assert isinstance(refusal(own, path), DigestMismatch)
    program.write_bytes(ELF[:-1])
    pack(theirs, path)
    assert str(refusal(own, path)) == f"{path}: {digest_of(ELF)}: blob not found"
    program.unlink()
    pack(theirs, path)
    assert str(refusal(own, path)) == f"{path}: {digest_of(ELF)}: blob not found"
    blob(theirs, digest).unlink()
    pack(theirs, path)
    assert str(refusal(own, path)) == f"{path}: {digest}: blob not found"
    assert own.names() == ("mine",)


def test_what_is_no_image(own: Store, theirs: Store, path: Path) -> None:
    theirs.layout.add_blob(b"[]", descriptor_of(b"[]"))
    theirs.set_name("x", descriptor_of(b"[]", OCI_MANIFEST))
    pack(theirs, path)
    assert "neither a manifest nor an index" in str(refusal(own, path))
    theirs.layout.replace_entries(lambda _: [])
    pack(theirs, path)
    assert str(refusal(own, path)) == f"{path}: no image in it"
    theirs.layout.replace_entries(lambda _: [{"digest": "sha512:00", "size": 1}])
    pack(theirs, path)
    assert "sha256: and 64 hex digits" in str(refusal(own, path, "x"))


def test_a_manifest_of_any_size(own: Store, theirs: Store, path: Path) -> None:
    large = Descriptor(OCI_MANIFEST, digest_of(bytes(5 << 20)), 5 << 20).entry()
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [large]})
    theirs.layout.add_blob(bytes(5 << 20), descriptor_of(bytes(5 << 20)))
    theirs.put("x", body.encode(), OCI_INDEX)
    pack(theirs, path)
    assert "manifest of 5242880 bytes" in str(refusal(own, path))


def test_a_signature_whose_name_is_none(own: Store, theirs: Store, path: Path) -> None:
    image = theirs.add_image("x", ELF, {})
    tag = f"\x1b[2J:{image.replace(':', '-')}.sig"
    theirs.add_referrer(referrer(theirs, "", b"old"), name=tag)
    pack(theirs, path)
    error = refusal(own, path)
    assert "not a reference" in str(error)
    assert "\x1b" not in str(error)


def test_an_index_that_would_be_too_large(own: Store, theirs: Store) -> None:
    for store in (own, theirs):
        store.add_image(store.path.name, ELF, {})
        rename(store, store.path.name, more="x" * (10 << 20))
    assert "index.json: 20972" in str(refusal(own, theirs.path))


def test_files_that_are_no_archives(own: Store, tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert isinstance(refusal(own, path), ImageNotFound)
    assert str(refusal(own, path)) == f"{path}: no such file or directory"
    path.write_bytes(ELF)
    assert str(refusal(own, path)) == f"{path}: an ELF object, not an OCI archive"
    assert notes(refusal(own, path)) == [f"beepy run {path}"]
    path.write_bytes(gzip.compress(b"x"))
    assert str(refusal(own, path)) == f"{path}: compressed (gzip)"
    path.write_bytes(b"")
    assert str(refusal(own, path)) == f"{path}: an empty file"
    path.unlink()
    os.mkfifo(path)
    assert str(refusal(own, path)) == f"{path}: not a regular file; - reads standard input"
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "x").write_bytes(b"")
    assert "not an image layout" in str(refusal(own, tmp_path / "d"))


def test_an_archive_of_docker(own: Store, path: Path) -> None:
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("manifest.json"))
    error = refusal(own, path)
    assert notes(error) == [f"skopeo copy docker-archive:{path} oci-archive:{path}.oci.tar"]


def test_a_full_disk_leaves_the_store_as_it_was(
    own: Store, theirs: Store, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.add_image("mine", ELF + b"mine", {})
    theirs.add_image("x", ELF, {})
    pack(theirs, path)
    real = Layout.add_stream

    def full(layout: Layout, chunks: object, descriptor: Descriptor) -> None:
        if descriptor.digest == digest_of(ELF):
            layout.add_stream = None  # type: ignore[assignment, method-assign]
            raise OSError(28, "No space left on device")
        real(layout, chunks, descriptor)  # type: ignore[arg-type]

    before = snapshot(own.path)
    monkeypatch.setattr(Layout, "add_stream", full)
    with pytest.raises(OSError, match="No space left"):
        load(path)
    assert snapshot(own.path) == before
    shutil.rmtree(theirs.path)


@pytest.mark.parametrize("platforms", [("amd64", "arm64"), ("s390x", "ppc64le")])
def test_the_policys_rule_for_archives(
    home: Path, own: Store, theirs: Store, path: Path, platforms: tuple[str, str]
) -> None:
    """What it refuses is not loaded: the rule for the store may accept what is there."""
    key = new_key(path.with_name("cosign.pub"))
    theirs.add_image("x", ELF, {})
    settings = home / ".config" / "beepy" / "registries.toml"
    settings.parent.mkdir(parents=True)

    def policy(rule: str) -> None:
        signer = f'[[policy.signer]]\nimages = ["*.tar"]\nkey = "{key.path}"\n'
        settings.write_text(f'[policy]\nstore = "accept"\narchive = "{rule}"\n{signer}')

    add_index(theirs, "y", dict.fromkeys(platforms, ELF + b"y"))
    for rule, why in (("refuse", "archives are refused"), ("signed", "not signed: no signature")):
        policy(rule)
        pack(theirs, path)
        error = refusal(own, path)
        assert isinstance(error, UntrustedImage)
        assert why in str(error)
    for name in theirs.names():
        stored = theirs.find(name)
        assert stored
        holder = bundle_holder(bundle(key, stored[1].digest), stored[1])
        for data in holder.blobs:
            theirs.layout.add_blob(data, descriptor_of(data))
        theirs.add_referrer(holder.manifest)
        pack(theirs, path)
        if name == "x":
            refusal(own, path)
    load(path)
    assert own.names() == ("x", "y")
    assert "no signer of images with this name" in str(refusal(own, theirs.path))
    policy("accept")
    assert load(theirs.path)


def test_a_directory_without_the_manifest_for_this_machine_under_a_policy(
    home: Path, own: Store, theirs: Store
) -> None:
    """A run left only the other platform's: it loads as without a policy."""
    settings = home / ".config" / "beepy" / "registries.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text('[policy]\narchive = "accept"\n')
    add_index(theirs, "y", {machine_platform().partition("/")[2]: ELF, "other": ELF + b"2"})
    stored = theirs.find("y")
    assert stored
    index = read_document(stored[1], theirs.layout.read, "y")
    assert isinstance(index, Index)
    blob(theirs, index.manifests[0].digest).unlink()
    load(theirs.path)
    assert own.names() == ("y",)
