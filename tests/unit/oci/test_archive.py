"""Archives that lie: each is refused in one line. Those that hold an image: test_lookup.py."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from beepy.errors import ImageError, UnsupportedImage
from beepy.oci import archive, lookup
from beepy.oci.descriptor import descriptor_of
from beepy.oci.layout import LAYOUT
from beepy.oci.lookup import Options
from beepy.oci.store import Store
from tests.support.stored import ELF, add_index, blob, referrer, sign, snapshot
from tests.support.told import notes

HEX = "0" * 64


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.tar"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def pack(store: Store, path: Path) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        tar.add(store.path, ".", filter=lambda item: None if "ingest" in item.name else item)


def run(path: Path) -> str:
    """Return the digest of the image that ``beepy run`` would take."""
    return lookup.find(str(path), Options(storage=path.with_name("none"), pull="never")).digest


def member(name: str, kind: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def write(path: Path, *members: tarfile.TarInfo, format_: int = tarfile.USTAR_FORMAT) -> None:
    """Write an empty layout with these members in front."""
    with tarfile.open(path, "w", format=format_) as tar:
        for info in members:
            tar.addfile(info, io.BytesIO(bytes(info.size)))
        for name, data in (("oci-layout", LAYOUT), ("index.json", b'{"manifests":[]}')):
            tar.addfile(member(name, size=len(data)), io.BytesIO(data))


def test_an_image_with_signatures_beside_it(store: Store, path: Path) -> None:
    image = store.add_image("x", ELF, {})
    sign(store, image)
    tag = f"x:{image.replace(':', '-')}.sig"
    store.add_referrer(referrer(store, "", b"old"), name=tag)
    pack(store, path)
    assert run(path) == image


def test_of_an_index_and_its_manifests_only_one_has_a_name(store: Store, path: Path) -> None:
    """As oras writes them."""
    add_index(store, "x", {"amd64": ELF, "arm64": ELF + b"2"})
    index = store.layout.read(descriptor_of(blob(store, _digest(store)).read_bytes()))
    children = json.loads(index)["manifests"]
    store.layout.replace_entries(lambda now: [*children, *now])
    pack(store, path)
    assert run(path) in {child["digest"] for child in children}


def _digest(store: Store) -> str:
    return str(store.layout.entries()[0]["digest"])


def test_several_images_are_for_load(store: Store, path: Path) -> None:
    store.add_image("x", ELF, {})
    store.add_image("y", ELF + b"2", {})
    pack(store, path)
    with pytest.raises(UnsupportedImage, match="2 images in the archive") as caught:
        run(path)
    assert notes(caught.value) == [f"beepy load {path}"]


@pytest.mark.parametrize(
    ("info", "why"),
    [
        (member("../../etc/cron.d/x", size=3), "a path out of the archive"),
        (member("/etc/passwd", size=3), "a path out of the archive"),
        (member("blobs/../../x/", tarfile.DIRTYPE), "a path out of the archive"),
        (member("index.json", tarfile.SYMTYPE, linkname="/etc/shadow"), "a symbolic link"),
        (member(f"blobs/sha256/{HEX}", tarfile.LNKTYPE, linkname="index.json"), "a hard link"),
        (member("x", tarfile.FIFOTYPE), "not a file"),
        (member("x", tarfile.CHRTYPE), "not a file"),
        (member(f"blobs/sha256/{HEX}", tarfile.GNUTYPE_SPARSE, size=512), "a sparse file"),
        (member("index.json", b"V"), "not a file"),
    ],
)
def test_members_that_are_no_files(path: Path, info: tarfile.TarInfo, why: str) -> None:
    write(path, info)
    with pytest.raises(UnsupportedImage) as caught:
        run(path)
    assert str(caught.value) == f"{path}: not an OCI archive: '{info.name}': {why}"


@pytest.mark.parametrize(
    ("format_", "info", "why"),
    [
        (tarfile.GNU_FORMAT, member("x" * 200), "a long name of GNU tar"),
        (tarfile.GNU_FORMAT, member("x", tarfile.SYMTYPE, linkname="y" * 200), "a long name of"),
        (tarfile.PAX_FORMAT, member("x" * 300), "a pax header with path"),
        (tarfile.PAX_FORMAT, member("x", pax_headers={"size": "1"}), "a pax header with size"),
        (
            tarfile.PAX_FORMAT,
            member("x", pax_headers={"GNU.sparse.realsize": "99999999999"}),
            "a pax header with GNU.sparse.realsize",
        ),
        (tarfile.PAX_FORMAT, member("x", pax_headers={"comment": "x" * 70_000}), "bytes"),
    ],
)
def test_headers_that_change_the_next(
    path: Path, format_: int, info: tarfile.TarInfo, why: str
) -> None:
    write(path, info, format_=format_)
    with pytest.raises(UnsupportedImage, match=why) as caught:
        run(path)
    assert str(caught.value).startswith(f"{path}: not an OCI archive: '")


def test_headers_that_change_nothing(store: Store, path: Path) -> None:
    """As skopeo writes for the numbers of users beyond seven octal digits."""
    image = store.add_image("x", ELF, {})
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in snapshot(store.path).items():
            info = member(name, size=len(data), uid=1 << 30, mtime=1.5)
            tar.addfile(info, io.BytesIO(data))
    assert run(path) == image


def test_a_prefix_makes_another_name(path: Path) -> None:
    write(path)
    data = bytearray(path.read_bytes())
    data[345:350] = b"other"
    path.write_bytes(data)
    with pytest.raises(UnsupportedImage, match="no oci-layout or no"):
        run(path)


def _no_end(data: bytearray) -> bytearray:
    return data[:-1025]


def _size(data: bytearray) -> bytearray:
    data[124:136] = b"77777777777\0"
    return data


def _base_256(data: bytearray) -> bytearray:
    data[124:136] = b"\x80" + bytes(10) + b"\x01"
    return data


@pytest.mark.parametrize("change", [_no_end, _size, _base_256])
def test_sizes_beyond_the_file(path: Path, change: Callable[[bytearray], bytearray]) -> None:
    write(path, member("x", size=100))
    path.write_bytes(change(bytearray(path.read_bytes())))
    with pytest.raises(ImageError) as caught:
        run(path)
    assert "\n" not in str(caught.value)


def test_thousands_of_members(path: Path) -> None:
    write(path, *[member(str(number)) for number in range(archive.MAX_MEMBERS)])
    with pytest.raises(UnsupportedImage, match="more than 4096 files in the archive"):
        run(path)
