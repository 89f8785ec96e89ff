import bz2
import gzip
import io
import json
import lzma
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from beepy.errors import (
    BeepyError,
    DigestMismatch,
    ImageError,
    ImageNotFound,
    InvalidReference,
    RegistryError,
    StoreError,
    UnsupportedImage,
    UntrustedImage,
    UsageError,
)
from beepy.oci import lookup
from beepy.oci.archive import Archive
from beepy.oci.descriptor import Descriptor, descriptor_of, digest_of
from beepy.oci.garbage import prune
from beepy.oci.image import Image
from beepy.oci.lookup import Options
from beepy.oci.options import PullPolicy, default_config_dir, default_storage
from beepy.oci.policy import Policy, parse
from beepy.oci.removal import remove
from beepy.oci.store import Store
from tests.support.told import message, notes

ROOT = Path(__file__).parents[3]
ELF = b"\x7fELF" + bytes(600)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test an empty home, an empty working directory and no bundled images."""
    path = tmp_path / "home"
    (tmp_path / "work").mkdir()
    monkeypatch.setenv("HOME", str(path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(lookup, "bundled_store", lambda: Store(tmp_path / "bundled"))
    return path


@pytest.fixture
def own(home: Path) -> Store:
    return Store(home / ".local" / "share" / "beepy" / "store")


@pytest.fixture
def bees(home: Path) -> Store:
    return Store(home / ".bumblebee" / "store")


@pytest.fixture
def bundled(tmp_path: Path) -> Store:
    return Store(tmp_path / "bundled")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what would be asked of a registry."""
    names: list[str] = []

    def note(text: str, _options: Options, *, keep: bool) -> None:
        assert not keep  # a run needs no store
        names.append(text)
        raise ConnectionRefusedError

    monkeypatch.setattr(lookup, "pull", note)
    return names


def test_a_file_comes_first(own: Store) -> None:
    own.add_image("x.o", ELF + b"stored", {})
    Path("x.o").write_bytes(ELF)
    image = lookup.find("x.o", Options(pull="always"))
    assert image == ("x.o", digest_of(ELF), "", {}, len(ELF), "elf", {}, (ELF,), ("",), None)


def test_a_file_in_the_place_of_a_bundled_image_is_told(
    bundled: Store, caplog: pytest.LogCaptureFixture
) -> None:
    bundled.add_image("one", ELF, {})
    Path("two").write_bytes(ELF)
    assert (lookup.find("two", Options()).format, caplog.messages) == ("elf", [])
    Path("one").write_bytes(ELF)
    assert lookup.find("one", Options()).format == "elf"
    assert caplog.messages == [
        "one: the file of that name in the working directory, not the bundled image"
    ]


def test_the_order_of_places(own: Store, bees: Store, bundled: Store, asked: list[str]) -> None:
    with pytest.raises(ConnectionRefusedError):
        lookup.find("a.b/x:1", Options())
    assert asked == ["a.b/x:1"]
    for name in ("x:1", "a.b/x:1"):
        for store in (bundled, bees, own):
            store.add_image(name, ELF + str(store.path).encode(), {})
            assert lookup.find(name, Options()) == store.get(name)
        Path(name).mkdir(parents=True)
        assert lookup.find(name, Options()) == own.get(name)
    assert asked == ["a.b/x:1"]


def test_a_store_of_the_users_choice_is_the_only_one(
    own: Store, bees: Store, tmp_path: Path
) -> None:
    options = Options(storage=tmp_path / "mine", pull="never")
    for store in (own, bees):
        store.add_image("x", ELF, {})
    with pytest.raises(ImageNotFound):
        lookup.find("x", options)
    Store(tmp_path / "mine").add_image("x", ELF, {})
    assert lookup.find("x", options).programs == (ELF,)
    assert [store.path for store in lookup.stores(options)] == [tmp_path / "mine"]


def test_a_broken_store_hides_no_image(
    own: Store, bees: Store, bundled: Store, caplog: pytest.LogCaptureFixture
) -> None:
    bundled.add_image("here", ELF, {})
    own.path.mkdir(parents=True)
    (own.path / "notes").write_text("x")
    bees.add_image("some/one:1", ELF, {})
    for name in ("here", "some/one:1"):
        assert lookup.find(name).programs == (ELF,)
        assert "not an image layout" in caplog.text
        caplog.clear()
    with pytest.raises(StoreError, match="not an image layout"):
        lookup.find("here", Options(storage=own.path))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
@pytest.mark.parametrize("closes", [False, True])
def test_what_is_another_users_is_passed_over(closes: bool) -> None:
    """As after su: the store of $HOME, and perhaps the working directory, are not accessible."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom beepy.oci import lookup\n"
        "from beepy.oci.store import Store\n"
        "os.chdir(sys.argv[1])\n"
        "lookup.bundled_store = lambda: Store(Path(sys.argv[2]))\nlookup.stores(lookup.Options())\n"
        "os.setuid(65534)\n"
        "programs = lookup.find('here').programs\n"
        "paths = [str(store.path) for store in lookup.stores(lookup.Options())]\n"
        "print(len(programs), paths)\n"
    )
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        bundled, home = Store(Path(name, "bundled")), Path(name, "home")
        bundled.add_image("here", ELF, {})
        (home / ".bumblebee" / "store").mkdir(parents=True)
        (home / ".bumblebee" / "store").chmod(0o700)
        home.chmod(0o700 if closes else 0o755)
        command = [sys.executable, "-c", code, str(home), str(bundled.path)]
        variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(home)}
        done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    own = [] if closes else [f"{home}/.local/share/beepy/store"]
    assert (done.stdout, done.stderr) == (f"1 {own}\n", "")


@pytest.mark.parametrize("name", ["./x.o", "x.o", "folder/x.o"])
def test_a_file_is_not_pulled(name: str) -> None:
    Path("folder").mkdir()
    Path(name).write_bytes(ELF)
    why = "a file, not the name of an image in a store or registry"
    with pytest.raises(ImageNotFound, match=rf"^{re.escape(name)}: {why}$"):
        lookup.pull(name)
    with pytest.raises(ImageNotFound, match=r"^none\.o: no such file$"):
        lookup.pull("none.o")


def test_a_stored_image_without_a_registry_is_not_pulled(own: Store) -> None:
    own.add_image("x:1", ELF, {})
    with pytest.raises(
        ImageNotFound, match=r"^x:1: in the local store; no registry to pull it from in its name$"
    ) as caught:
        lookup.pull("x:1")
    assert notes(caught.value) == []


def test_always_asks_though_it_is_here(own: Store, asked: list[str]) -> None:
    own.add_image("a.b/x:1", ELF, {})
    with pytest.raises(ConnectionRefusedError):
        lookup.find("a.b/x:1", Options(pull="always"))
    assert asked == ["a.b/x:1"]


@pytest.mark.parametrize("policy", ["always", "missing", "never"])
def test_a_bundled_name_never_asks(bundled: Store, asked: list[str], policy: PullPolicy) -> None:
    bundled.add_image("exitsnoop", ELF, {})
    options = Options(pull=policy)
    assert lookup.find("exitsnoop", options).programs == (ELF,)
    assert asked == []


def test_a_bundled_name_is_not_pulled_either(
    bundled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundled.add_image("exitsnoop", ELF, {})
    monkeypatch.delattr(lookup, "_reference")  # without which no registry can be asked
    assert lookup.pull("exitsnoop", Options()).programs == (ELF,)


def test_never_opens_no_socket(asked: list[str]) -> None:
    with pytest.raises(
        ImageNotFound, match=r"a\.b/x:1: not found locally, and no registry may be asked"
    ):
        lookup.find("a.b/x:1", Options(pull="never"))
    assert asked == []


@pytest.fixture
def unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no registry be asked: the module that asks cannot be imported."""
    monkeypatch.setitem(sys.modules, "beepy.oci.client", None)


def refused(text: str, policy: PullPolicy = "missing") -> tuple[str, list[str]]:
    """Look for an image in vain, as run and as pull do; return what is said and the notes."""
    said = []
    looks: list[Callable[[], Image]] = [
        lambda: lookup.find(text, Options(pull=policy)),
        lambda: lookup.pull(text),
    ]
    for look in looks:
        with pytest.raises(ImageError) as caught:
            look()
        said.append((str(caught.value), notes(caught.value)))
    assert said[0] == said[1]
    return said[0]


@pytest.mark.usefixtures("unasked")
@pytest.mark.parametrize("policy", ["always", "missing", "never"])
@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("exitsnop", "exitsnoop"),
        ("exitsnoop:latest", "exitsnoop"),
        ("exitsnop@sha256:" + 64 * "0", "exitsnoop"),
        ("execsnop:1", "a.b/tools/execsnoop:v2 or a.b/tools/execsnoop:v3"),
        ("foo/bar", "docker.io/foo/bar"),
        ("foo/bar:1", "docker.io/foo/bar:1"),
        ("foo/exitsnop", "exitsnoop or docker.io/foo/exitsnop"),
        ("library/Exitsnoop", ""),
        ("Foo/exitsnoop", "exitsnoop"),  # docker takes upper case for a host
    ],
)
def test_a_name_without_a_registry_is_sent_nowhere(
    own: Store, bundled: Store, text: str, meant: str, policy: PullPolicy
) -> None:
    bundled.add_image("exitsnoop", ELF, {})
    for tag in ("v2", "v3"):
        own.add_image(f"a.b/tools/execsnoop:{tag}", ELF, {})
    if meant:
        assert refused(text, policy) == (f"no image '{text}': did you mean {meant}?", [])
    else:
        assert refused(text, policy)[1] == ["did you mean exitsnoop?"]


@pytest.mark.usefixtures("unasked")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nginx", "no image 'nginx': no file, stored or bundled image has that name"),
        ("Upper", "reference 'Upper': repository: upper case is not allowed"),
    ],
)
def test_where_nothing_is_similar_the_list_is_named(bundled: Store, text: str, said: str) -> None:
    bundled.add_image("exitsnoop", ELF, {})
    assert refused(text) == (said, ["beepy list shows the images"])


@pytest.mark.usefixtures("unasked")
def test_names_that_are_suggested_are_made_safe(own: Store) -> None:
    own.add_image("a\x1b[2Jb", ELF, {})
    own.add_image("x" * 5000, ELF, {})
    assert refused("a2jb") == ("no image 'a2jb': did you mean a\\x1b[2Jb?", [])
    assert len(refused("x" * 190)[0]) < 500


def test_a_broken_store_suggests_nothing(own: Store, bundled: Store) -> None:
    bundled.add_image("exitsnoop", ELF, {})
    own.path.mkdir(parents=True)
    (own.path / "notes").write_text("x")
    assert refused("exitsnop")[0] == "no image 'exitsnop': did you mean exitsnoop?"


def test_a_stored_name_without_a_registry_is_taken_whatever_the_policy(
    own: Store, asked: list[str]
) -> None:
    own.add_image("mine:1", ELF, {})
    for policy in get_args(PullPolicy):
        assert lookup.find("mine:1", Options(pull=policy)).programs == (ELF,)
    assert asked == []


@pytest.mark.parametrize(
    "text", ["build.d/x.o", "localhost/x", "host:5000/x.tar", "ghcr.io/some/x:1"]
)
def test_what_is_a_file_and_could_be_a_registry_is_neither(
    own: Store, asked: list[str], text: str
) -> None:
    Path(text).parent.mkdir(parents=True)
    Path(text).write_bytes(ELF)
    for policy in ("missing", "never"):
        with pytest.raises(UsageError) as caught:
            lookup.find(text, Options(pull=policy))
        assert (
            message(caught.value)
            == f"{text}: both a file and a registry reference: write ./{text}, or --pull always"
        )
    assert asked == []
    assert lookup.find(f"./{text}").programs == (ELF,)
    with pytest.raises(ConnectionRefusedError):
        lookup.find(text, Options(pull="always"))
    assert asked == [text]
    own.add_image(text, ELF + b"stored", {})
    assert lookup.find(text).programs == (ELF + b"stored",)


@pytest.mark.parametrize("text", ["a.b/x@", "x@", "a.b/x:1@"])
def test_a_digest_is_never_a_file(own: Store, asked: list[str], text: str) -> None:
    digest = own.add_image("a.b/x:2", ELF + b"stored", {})
    Path("a.b").mkdir()
    Path(f"{text}{digest}").write_bytes(ELF)
    if "/" in text:
        assert lookup.find(f"{text}{digest}").programs == (ELF + b"stored",)
    Path(text + "sha256:" + 64 * "0").write_bytes(ELF)
    with pytest.raises(ConnectionRefusedError):
        lookup.find(text + "sha256:" + 64 * "0")
    assert asked == [text + "sha256:" + 64 * "0"]
    Path("a.b/X.o").write_bytes(ELF)  # upper case: no reference
    assert lookup.find("a.b/X.o").programs == (ELF,)


def test_a_damaged_image_is_told_and_not_replaced_in_silence(own: Store, asked: list[str]) -> None:
    own.add_image("a.b/x:1", ELF, {})
    blob = own.path / "blobs" / "sha256" / digest_of(ELF).removeprefix("sha256:")
    blob.unlink()
    blob.write_bytes(ELF[:-1] + b"x")
    with pytest.raises(DigestMismatch):
        lookup.find("a.b/x:1", Options())
    assert asked == []


@pytest.mark.parametrize(
    ("text", "kind", "why"),
    [
        ("./none.o", ImageNotFound, "no such file"),
        ("none.o", ImageNotFound, "no such file"),
        ("build/none.o", ImageNotFound, "no such file"),
        ("/none", ImageNotFound, "no such file"),
        ("../none.tar", ImageNotFound, "no such file"),
        ("~/x.o", ImageNotFound, "no such file"),
        ("Some Name", InvalidReference, "repository"),
        ("", InvalidReference, "the name is empty"),
        ("x\0y", InvalidReference, r"x\\x00y"),
        ("x\udcff", InvalidReference, r"x\\xff"),
        ("x" * 5000, InvalidReference, "longer than"),
        (".", UnsupportedImage, "not a regular file"),
        ("/", UnsupportedImage, "not a regular file"),
        ("/dev/null", UnsupportedImage, "not a regular file"),
        ("pipe", UnsupportedImage, "not a regular file"),
        ("empty", UnsupportedImage, "empty: an empty file"),
        ("text.o", UnsupportedImage, "neither an ELF object nor an OCI archive"),
        ("text.o/X", InvalidReference, "registry|repository"),
    ],
)
@pytest.mark.parametrize("policy", ["missing", "never"])
def test_what_is_no_image_is_one_clear_line(
    text: str, kind: type[ImageError], why: str, policy: PullPolicy
) -> None:
    os.mkfifo("pipe")
    Path("empty").write_bytes(b"")
    Path("text.o").write_bytes(b"int main;\n")
    with pytest.raises(kind, match=why) as caught:
        lookup.find(text, Options(pull=policy))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("name", "content", "why", "note"),
    [
        (
            "x.o",
            b"BC\xc0\xde" + bytes(60),
            "LLVM bitcode, not an ELF object",
            "llc -march=bpf -filetype=obj x.o -o x.bpf.o",
        ),
        (
            "my prog.bc",
            b"\xde\xc0\x17\x0b" + bytes(60),
            "LLVM bitcode, not an ELF object",
            "llc -march=bpf -filetype=obj 'my prog.bc' -o 'my prog'.bpf.o",
        ),
        ("x.o.gz", gzip.compress(ELF), "compressed (gzip)", "gzip -dc x.o.gz > x.o"),
        ("x.tgz", gzip.compress(ELF), "compressed (gzip)", "gzip -dc x.tgz > x.tar"),
        ("x", lzma.compress(ELF), "compressed (xz)", "xz -dc x > x.unpacked"),
        ("x.zst", b"\x28\xb5\x2f\xfd" + bytes(9), "compressed (zstd)", "zstd -dc x.zst > x"),
        ("x.tar.bz2", bz2.compress(ELF), "compressed (bzip2)", "bzip2 -dc x.tar.bz2 > x.tar"),
        (
            "x.bpf.c",
            b"int x;",
            "C source, neither an ELF object nor an OCI archive",
            "beepy build x.bpf.c",
        ),
    ],
)
def test_what_could_be_made_an_image(name: str, content: bytes, why: str, note: str) -> None:
    Path(name).write_bytes(content)
    with pytest.raises(UnsupportedImage) as caught:
        lookup.find(name)
    assert str(caught.value) == f"{name}: {why}"
    assert caught.value.__notes__ == [note]


@pytest.mark.parametrize("name", ["./layout", "layout", "some/layout"])
def test_a_directory_that_is_an_image_layout(name: str) -> None:
    store = Store(Path(name))
    store.add_image("a.b/c:1", ELF, {})
    with pytest.raises(UnsupportedImage) as caught:
        lookup.find(name)
    assert str(caught.value) == f"{name}: an image layout (a directory), not one image of it"
    assert notes(caught.value) == [f"beepy run --storage {name} a.b/c:1"]
    store.add_image("a.b/c:2", ELF, {})
    with pytest.raises(UnsupportedImage) as caught:
        lookup.find(name)
    assert notes(caught.value) == [
        f"beepy list --storage {name} shows its images; run takes --storage too"
    ]
    assert lookup.find("a.b/c:1", Options(storage=Path(name))).programs == (ELF,)
    Path(name, "index.json").write_text("{")
    with pytest.raises(UnsupportedImage) as caught:
        lookup.find(name)
    assert "index.json: not JSON" in caught.value.__notes__[0]


@pytest.mark.parametrize("policy", get_args(PullPolicy))
def test_a_reference_as_others_write_it(policy: PullPolicy) -> None:
    with pytest.raises(InvalidReference) as caught:
        lookup.find("docker://ghcr.io/a/b:1", Options(pull=policy))
    assert (
        str(caught.value)
        == "reference 'docker://ghcr.io/a/b:1': a reference has no 'docker://' in front"
    )
    assert caught.value.__notes__ == ["write ghcr.io/a/b:1"]
    Path("x.tar").write_bytes(b"")
    for text in ("oci-archive:x.tar", f"oci:{Path.cwd()}"):
        with pytest.raises(InvalidReference, match=r"a path has no '[a-z-]+:' in front") as caught:
            lookup.find(text, Options(pull=policy))
        assert caught.value.__notes__ == [f"write {text.partition(':')[2]}"]


def test_a_huge_file_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("big.o").open("wb") as file:
        file.write(b"\x7fELF")
        file.truncate(1 << 40)
    with pytest.raises(UnsupportedImage, match="more than 67108864 bytes"):
        lookup.find("big.o", Options())
    monkeypatch.undo()


def archive(path: Path, store: Store, **changes: bytes) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        tar.add(store.path, ".", filter=lambda member: None if "ingest" in member.name else member)
        for name, data in changes.items():
            member = tarfile.TarInfo(name.replace("__", "/"))
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def test_an_oci_archive(own: Store, tmp_path: Path) -> None:
    digest = own.add_image("x:1", ELF, {"a": "b"})
    path = tmp_path / "x.tar"
    archive(path, own)
    image = lookup.find(str(path), Options(pull="never"))
    assert (image.name, image.digest, image.programs, image.annotations) == (
        str(path),
        digest,
        (ELF,),
        {"a": "b"},
    )


def test_a_blob_of_an_archive_in_chunks_is_verified(own: Store, tmp_path: Path) -> None:
    data = ELF + bytes(3 << 20)
    own.add_image("x:1", data, {})
    archive(tmp_path / "x.tar", own)
    with (tmp_path / "x.tar").open("rb") as file:
        opened = Archive(file, "x.tar")
        descriptor = descriptor_of(data)
        assert opened.has_file(descriptor)
        assert b"".join(opened.chunks(descriptor)) == data
        with pytest.raises(DigestMismatch, match="expected"):
            list(opened.chunks(descriptor._replace(size=7)))
        missing = descriptor_of(b"missing")
        assert not opened.has_file(missing)
        with pytest.raises(UnsupportedImage, match="blob not found"):
            list(opened.chunks(missing))


def test_an_archive_holds_one_image(own: Store, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    own.add_image("x:1", ELF, {})
    own.tag("x:1", "x:2")
    archive(path, own)
    with pytest.raises(UnsupportedImage, match="2 images in the archive"):
        lookup.find(str(path), Options())
    archive(path, own, **{"index.json": b'{"schemaVersion":2}'})
    with pytest.raises(UnsupportedImage, match="0 images in the archive"):
        lookup.find(str(path), Options())


def test_an_archive_is_verified(own: Store, tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    own.add_image("x:1", ELF, {})
    archive(path, own, **{f"blobs__sha256__{digest_of(ELF)[7:]}": ELF[:-1] + b"x"})
    with pytest.raises(DigestMismatch):
        lookup.find(str(path), Options())


def test_an_archive_of_other_things(tmp_path: Path) -> None:
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w") as tar:
        link = tarfile.TarInfo("index.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    with pytest.raises(UnsupportedImage, match="not an OCI archive"):
        lookup.find(str(path), Options())
    with tarfile.open(path, "w") as tar:
        tar.addfile(tarfile.TarInfo("manifest.json"))
    with pytest.raises(UnsupportedImage, match="not an OCI archive") as caught:
        lookup.find(str(path), Options())
    assert caught.value.__notes__ == [
        f"skopeo copy docker-archive:{path} oci-archive:{path}.oci.tar"
    ]


def test_every_damage_to_an_archive_is_an_error_of_ours(own: Store, tmp_path: Path) -> None:
    """Cut anywhere, or with another byte in a header: a BeepyError, or the image as it was."""
    path = tmp_path / "x.tar"
    own.add_image("x:1", ELF, {})
    archive(path, own)
    whole = path.read_bytes()
    good = lookup.find(str(path), Options())
    mutants = [whole[:end] for end in range(0, len(whole), 256)]
    for header in (
        start for start in range(0, len(whole), 512) if whole[start + 257 : start + 262] == b"ustar"
    ):
        for offset in (0, 124, 126, 134, 135, 136, 156, 257):
            mutants += [
                whole[: header + offset] + byte + whole[header + offset + 1 :]
                for byte in (b"\0", b"9", b"7", b"\xff")
            ]
    refused = 0
    for mutant in mutants:
        path.write_bytes(mutant)
        try:
            assert lookup.find(str(path), Options()) == good
        except BeepyError:
            refused += 1
    assert refused > len(mutants) // 4


def test_the_defaults_follow_xdg(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    assert default_storage() == home / ".local" / "share" / "beepy" / "store"
    assert default_config_dir() == home / ".config" / "beepy"
    monkeypatch.setenv("XDG_DATA_HOME", "/d")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/c")
    assert default_storage() == Path("/d/beepy/store")
    assert default_config_dir() == Path("/c/beepy")


def test_the_bundle_is_beside_or_inside_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(lookup, "_PACKAGE", tmp_path / "beepy")
    assert lookup.bundled_store().path == tmp_path / "images"
    (tmp_path / "beepy" / "images").mkdir(parents=True)
    assert lookup.bundled_store().path == tmp_path / "beepy" / "images"


def test_local_look_up_loads_nothing_of_the_network(own: Store) -> None:
    own.add_image("x", ELF, {})
    script = (
        "import sys, json; from pathlib import Path; "
        "from beepy.oci import formats, lookup, reference, store\n"
        "lookup.find('x', lookup.Options())\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    root = Path(lookup.__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={"HOME": os.environ["HOME"], "PYTHONPATH": str(root)},
        capture_output=True,
        check=True,
    )
    loaded = {name.partition(".")[0] for name in json.loads(ran.stdout)}
    assert not loaded & {
        "oras",
        "requests",
        "urllib3",
        "ssl",
        "http",
        "socket",
        "dataclasses",
        "tempfile",
        "tarfile",
    }


PIN = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    "text",
    [
        f"ghcr.io/Solo-IO/exitsnoop@{PIN}",  # none of these is a reference, and none is a file
        f"ghcr.io/solo-io/exitsnoop@{PIN.upper().replace('SHA', 'sha')}",
        f"ghcr.io/solo-io/exitsnoop@{PIN[:-1]}",
        f"ghcr.io/solo-io/exitsnoop@sha512:{'a' * 128}",
        f"exitsnoop@{PIN}@{PIN}",
        f"exitsnoop:@{PIN}",
    ],
)
def test_what_is_pinned_is_no_file(text: str, asked: list[str]) -> None:
    Path(text).parent.mkdir(parents=True, exist_ok=True)
    Path(text).write_bytes(ELF)
    for policy in get_args(PullPolicy):
        with pytest.raises((BeepyError, ConnectionRefusedError)):
            lookup.find(text, Options(pull=policy))
    assert set(asked) <= {text}
    assert lookup.find(f"./{text}").programs == (ELF,)
    assert lookup.find(str(Path(text).absolute())).programs == (ELF,)


def test_a_pin_is_compared_with_a_bundled_image(bundled: Store, asked: list[str]) -> None:
    digest = bundled.add_image("one", ELF, {})
    lie(bundled, "one", f"two@{PIN}")
    assert lookup.find(f"one@{digest}").digest == digest
    for text in (f"one@{PIN}", f"two@{PIN}"):
        Path(text).write_bytes(ELF)
        with pytest.raises(ConnectionRefusedError):
            lookup.find(text)
    assert asked == [f"one@{PIN}", f"two@{PIN}"]


def test_a_pin_that_an_image_here_does_not_have(own: Store, bundled: Store) -> None:
    digest = bundled.add_image("one", ELF, {})
    for store in (bundled, own):
        digest = store.add_image("one", ELF + str(store.path).encode(), {})
        with pytest.raises(ImageNotFound) as caught:
            lookup.find(f"one@{PIN}")
        assert str(caught.value) == f"no image 'one@{PIN}': the local one is {digest}"


def lie(store: Store, name: str, target: str) -> None:
    """Give the image called ``name`` a second name in the index, perhaps of another digest."""
    store.tag(name, target)


@pytest.mark.parametrize("name", [f"a.b/x@{PIN}", f"a.b/x:1@{PIN}"])
def test_a_pin_is_compared_with_a_stored_image(
    own: Store, bees: Store, asked: list[str], name: str
) -> None:
    for store in (own, bees):
        store.add_image("a.b/x:1", ELF, {})
        lie(store, "a.b/x:1", name)
        assert name in store.names()
        assert store.named(name) is None
    with pytest.raises(ConnectionRefusedError):
        lookup.find(name)
    with pytest.raises(ImageNotFound, match="not found locally"):
        lookup.find(name, Options(pull="never"))
    assert asked == [name]


@pytest.mark.parametrize("part", ["manifest", "program"])
def test_a_stored_image_that_is_not_what_its_digest_says(own: Store, part: str) -> None:
    digest = own.add_image("a.b/x:1", ELF, {})
    path = own.path / "blobs" / "sha256" / (digest if part == "manifest" else digest_of(ELF))[7:]
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    for text in (f"a.b/x@{digest}", f"a.b/x:1@{digest}", f"a.b/x:other@{digest}", "a.b/x:1"):
        with pytest.raises(DigestMismatch) as caught:
            lookup.find(text)
        assert notes(caught.value) == [f"beepy pull {text}"]
    path.unlink()
    with pytest.raises(StoreError, match="blob not found") as missing:
        lookup.find("a.b/x:1")
    assert notes(missing.value) == ["beepy pull a.b/x:1"]


def test_always_asks_the_registry(
    own: Store, bees: Store, bundled: Store, asked: list[str]
) -> None:
    """Whoever has it, under whatever name; a bundled image's own name is none of a registry's."""
    for store in (own, bees, bundled):
        digest = store.add_image("a.b/x:1", ELF, {})
        store.add_image("one", ELF, {})
    texts = ["a.b/x:1", f"a.b/x@{digest}", f"a.b/x:1@{digest}"]
    for text in texts:
        Path(text).parent.mkdir(exist_ok=True)
        Path(text).write_bytes(ELF)
        with pytest.raises(ConnectionRefusedError):
            lookup.find(text, Options(pull="always"))
    assert asked == texts
    assert lookup.find("one", Options(pull="always")).programs == (ELF,)


def test_an_image_that_is_replaced_while_it_is_read(
    own: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process gives the name to a new image and removes the old one."""
    own.add_image("x", ELF, {})
    load = lookup._load

    def late(store: Store, text: str, descriptor: Descriptor, policy: Policy | None) -> Image:
        if own.get("x").programs == (ELF,):
            own.add_image("x", ELF + b"2", {})
            prune(own.layout)
        return load(store, text, descriptor, policy)

    monkeypatch.setattr(lookup, "_load", late)
    assert lookup.find("x").programs == (ELF + b"2",)


def test_an_image_that_is_removed_while_it_is_read(
    own: Store, bees: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.add_image("x", ELF, {})
    bees.add_image("x", ELF + b"2", {})
    load = lookup._load

    def late(store: Store, text: str, descriptor: Descriptor, policy: Policy | None) -> Image:
        if own.list():
            remove(["x"], Options(storage=own.path))
        return load(store, text, descriptor, policy)

    monkeypatch.setattr(lookup, "_load", late)
    assert lookup.find("x").programs == (ELF + b"2",)


def test_a_stored_image_is_found_by_any_of_its_names(own: Store, bees: Store) -> None:
    digest = own.add_image("docker.io/library/x:latest", ELF, {})
    other = bees.add_image("a.b/y:1", ELF + b"2", {})
    store, name, descriptor = lookup.find_stored("x")
    assert (store.path, name, descriptor.digest) == (own.path, "docker.io/library/x:latest", digest)
    store, name, descriptor = lookup.find_stored(f"a.b/y@{other}")
    assert (store.path, name, descriptor.digest) == (bees.path, "a.b/y:1", other)
    with pytest.raises(ImageNotFound, match=r"a\.b/z:1: not found locally") as caught:
        lookup.find_stored("a.b/z:1")
    assert notes(caught.value) == ["beepy pull a.b/z:1"]
    with pytest.raises(ImageNotFound, match="no image 'z'"):
        lookup.find_stored("z")


@pytest.fixture
def settings(home: Path) -> Path:
    path = home / ".config" / "beepy" / "registries.toml"
    path.parent.mkdir(parents=True)
    path.write_text(
        'default-registry = "r.example"\ndefault-namespace = "team"\n'
        '[aliases]\none = "a.b/far/one:1"\n'
    )
    return path


@pytest.mark.usefixtures("settings")
def test_an_alias_comes_last(own: Store, bundled: Store, asked: list[str]) -> None:
    with pytest.raises(ConnectionRefusedError):
        lookup.find("one")
    assert asked == ["a.b/far/one:1"]
    asked.clear()
    own.add_image("a.b/far/one:1", ELF + b"stored", {})
    assert lookup.find("one").programs == (ELF + b"stored",)
    assert lookup.find("one").name == "a.b/far/one:1"
    assert lookup.find("one", Options(pull="never")).programs == (ELF + b"stored",)
    with pytest.raises(ConnectionRefusedError):
        lookup.find("one", Options(pull="always"))
    with pytest.raises(ConnectionRefusedError):
        lookup.find("one:2")
    assert asked == ["a.b/far/one:1", "a.b/far/one:2"]
    bundled.add_image("one", ELF + b"bundled", {})
    assert lookup.find("one").programs == (ELF + b"bundled",)
    own.add_image("one", ELF + b"own", {})
    assert lookup.find("one").programs == (ELF + b"own",)
    Path("one").write_bytes(ELF + b"file")
    assert lookup.find("one").programs == (ELF + b"file",)
    Path("a.b/far").mkdir(parents=True)
    Path("a.b/far/one:1").write_bytes(ELF)  # only what the user writes may be a file
    Path("one").unlink()
    assert lookup.find("one").programs == (ELF + b"own",)


@pytest.mark.usefixtures("settings")
def test_a_stored_image_by_its_alias(own: Store) -> None:
    with pytest.raises(ImageNotFound, match=r"^a\.b/far/one:1: not found locally") as caught:
        lookup.find_stored("one")
    assert notes(caught.value) == ["beepy pull one"]
    digest = own.add_image("a.b/far/one:1", ELF, {})
    _, name, descriptor = lookup.find_stored("one")
    assert (name, descriptor.digest) == ("a.b/far/one:1", digest)
    with pytest.raises(ImageNotFound, match=r"^r\.example/team/two: not found locally"):
        lookup.find_stored("two")


@pytest.mark.usefixtures("settings", "own")
def test_a_name_in_the_default_registry(asked: list[str]) -> None:
    for text in ("two", "two:1", "other/two:1"):
        with pytest.raises(ConnectionRefusedError):
            lookup.find(text)
    assert asked == ["r.example/team/two", "r.example/team/two:1", "r.example/other/two:1"]
    with pytest.raises(ImageNotFound, match=r"^r\.example/team/two: not found locally, and no reg"):
        lookup.find("two", Options(pull="never"))


@pytest.mark.usefixtures("settings")
def test_what_is_no_name_in_the_default_registry(asked: list[str]) -> None:
    Path(f"two@{PIN}").write_bytes(ELF)
    for text in ("two.o", "two.tar", "./two", "Two", "two:", f"two@{PIN}", "two@sha256:1"):
        with pytest.raises((ImageNotFound, ConnectionRefusedError)):
            lookup.find(text)
    assert [text for text in asked if "r.example" in text] == []


def test_names_similar_to_one_that_the_default_registry_lacks(
    settings: Path, bundled: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert settings.exists()
    bundled.add_image("exitsnoop", ELF, {})

    def lacks(text: str, _options: Options, *, keep: bool) -> None:
        raise ImageNotFound(f"{text}: {keep}")

    monkeypatch.setattr(lookup, "pull", lacks)
    with pytest.raises(ImageNotFound, match=r"^r\.example/team/exitsnop: False") as caught:
        lookup.find("exitsnop")
    assert notes(caught.value) == ["did you mean exitsnoop?"]


def test_no_image_is_used_under_settings_that_cannot_be_read(
    settings: Path, own: Store, bundled: Store, asked: list[str]
) -> None:
    """They may hold a policy."""
    settings.write_text("?")
    bundled.add_image("one", ELF, {})
    own.add_image("a.b/x:1", ELF, {})
    Path("file.o").write_bytes(ELF)
    for text in ("one", "a.b/x:1", "file.o", "./file.o", "two"):
        with pytest.raises(UsageError, match=r"registries\.toml: not TOML"):
            lookup.find(text)
    assert asked == []


@pytest.mark.parametrize("target", ["nowhere", "registries.toml"])
def test_no_image_is_used_under_settings_that_are_a_broken_link(
    settings: Path, bundled: Store, target: str
) -> None:
    bundled.add_image("one", ELF, {})
    settings.unlink()
    settings.symlink_to(target)
    with pytest.raises(RegistryError, match=r"registries\.toml: "):
        lookup.find("one")


def test_a_run_of_a_bundled_image_imports_nothing_for_settings() -> None:
    script = (
        "import sys\nfrom beepy.oci import lookup\n"
        "lookup.find('exitsnoop')\nlookup.find(sys.argv[1])\n"
        "print(*{'tomllib', 'beepy.oci.registries', 'beepy.oci.endpoints'} & set(sys.modules))\n"
    )
    path = Path("x.o")
    path.write_bytes(ELF)
    done = subprocess.run(
        [sys.executable, "-c", script, str(path.absolute())],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "\n"


def test_the_policy_of_registries_toml_holds_unless_another_is_given(own: Store) -> None:
    own.add_image("x", ELF, {})
    path = default_config_dir() / "registries.toml"
    path.parent.mkdir(parents=True)
    path.write_text("[aliases]\ny = 'localhost/x:1'\n")
    assert lookup.find("x").programs == (ELF,)
    path.write_text("[policy]\nstore = 'refuse'\n")
    with pytest.raises(UntrustedImage) as caught:
        lookup.find("x")
    assert str(caught.value) == f"x: {path}: policy: images of a store are refused"
    accepting = parse({"store": "accept"}, "given", path.parent)
    assert lookup.find("x", Options(policy=accepting)).programs == (ELF,)
    path.write_text("[policy]\nstore = 'no'\n")
    with pytest.raises(UsageError, match=f"^{path}: policy: store 'no': expected "):
        lookup.find("x")
