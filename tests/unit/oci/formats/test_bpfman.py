import gzip
import io
import json
import struct
import tarfile
import zlib
from collections.abc import Callable

import pytest

from beepy import zstd
from beepy.errors import UnsupportedImage
from beepy.oci import formats
from beepy.oci.formats import bpfman
from beepy.oci.image import Image
from beepy.oci.manifest import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from tests.support import packed
from tests.support.blobs import Blobs

ELF = b"\x7fELF\x02\x01\x01".ljust(18, b"\0") + (247).to_bytes(2, "little") + b"program"
TYPES = {"count": "xdp", "seen": "tracepoint"}
NEW = {"io.ebpf.programs": json.dumps(TYPES), "io.ebpf.maps": "{}"}


@pytest.fixture
def blobs() -> Blobs:
    return Blobs()


def load(blobs: Blobs, manifest: bytes, media_type: str = OCI_MANIFEST) -> Image:
    return blobs.load(blobs.add(manifest, media_type))


def refused(blobs: Blobs, layer: bytes, labels: dict[str, str] | None = None) -> str:
    """Return why an image with that layer is refused, one line."""
    config = packed.labeled(NEW if labels is None else labels)
    with pytest.raises(UnsupportedImage) as caught:
        load(blobs, packed.manifest(blobs, packed.OCI, config, layer))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300
    return str(caught.value)


@pytest.mark.parametrize("name", ["kill.bpf.o", "./usr/object", "/kill", "../../kill"])
def test_a_bare_manifest(blobs: Blobs, name: str) -> None:
    """The object is found by its magic, among files that are none; its name is no path."""
    layer = packed.tar({"notes": b"text", name: ELF, "other.o": ELF.replace(b"\xf7", b"\x3e")})
    image = load(blobs, packed.manifest(blobs, packed.OCI, packed.labeled(NEW), layer))
    assert (image.format, image.programs) == ("bpfman", (ELF,))
    assert image.program_names == (name,)
    assert json.loads(image.hints[bpfman.PROGRAMS]) == TYPES


@pytest.mark.parametrize("media_type", [OCI_INDEX, DOCKER_LIST])
def test_an_index(blobs: Blobs, media_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of OCI or of docker, for machines by their names in Go."""
    machines = ("amd64", "arm64", "ppc64le", "s390x")
    children = {name: packed.bpfman(blobs, ELF + name.encode(), TYPES) for name in machines}
    top = packed.index(blobs, children, media_type)
    for name in machines:
        platform = f"linux/{name}"
        monkeypatch.setattr("beepy.oci.manifest.machine_platform", lambda it=platform: it)
        image = load(blobs, top)
        assert image.programs == (ELF + name.encode(),)
        assert image.platform == platform


def test_what_docker_writes(blobs: Blobs) -> None:
    layer, config = packed.tar({"x": ELF}), packed.labeled(NEW)
    manifest = packed.manifest(blobs, packed.DOCKER, config, layer, media_type=DOCKER_MANIFEST)
    assert load(blobs, manifest, DOCKER_MANIFEST).programs == (ELF,)


@pytest.mark.parametrize("label", ["io.ebpf.bpf_function_name", "io.ebpf.program_name"])
def test_the_labels_of_older_images(blobs: Blobs, label: str) -> None:
    labels = {label: "count", "io.ebpf.program_type": "xdp", "io.ebpf.filename": "x.o"}
    layer = packed.tar({"x.o": ELF})
    image = load(blobs, packed.manifest(blobs, packed.OCI, packed.labeled(labels), layer))
    assert json.loads(image.hints[bpfman.PROGRAMS]) == {"count": "xdp"}


def test_without_labels(blobs: Blobs) -> None:
    layer = packed.tar({"x.o": ELF})
    image = load(blobs, packed.manifest(blobs, packed.OCI, packed.labeled(None), layer))
    assert (image.format, image.programs, image.hints) == ("bpfman", (ELF,), {})


def test_bytes_of_several_members_of_gzip(blobs: Blobs) -> None:
    """As eStargz writes layers; zeros may follow the last."""
    whole = gzip.decompress(packed.tar({"x.o": ELF}))
    layer = b"".join([gzip.compress(part) for part in (whole[:700], whole[700:])]) + bytes(9)
    image = load(blobs, packed.manifest(blobs, packed.OCI, packed.labeled(NEW), layer))
    assert image.programs == (ELF,)


@pytest.mark.parametrize(
    ("media_type", "pack"),
    [
        ("application/vnd.oci.image.layer.v1.tar", bytes),
        ("application/vnd.docker.image.rootfs.diff.tar", bytes),
        ("application/vnd.oci.image.layer.v1.tar+zstd", zstd.compressor()),
        ("application/vnd.docker.image.rootfs.diff.tar.zstd", zstd.compressor()),
    ],
)
def test_layers_of_other_types(
    blobs: Blobs, media_type: str, pack: Callable[[bytes], bytes]
) -> None:
    layer = pack(gzip.decompress(packed.tar({"x.o": ELF})))
    types = (packed.OCI[0], media_type)
    image = load(blobs, packed.manifest(blobs, types, packed.labeled(NEW), layer))
    assert image.programs == (ELF,)


def test_zstd(blobs: Blobs) -> None:
    """As zstd:chunked writes layers: several frames, and one that is skipped."""
    pack = zstd.compressor()
    whole = gzip.decompress(packed.tar({"x.o": ELF}))
    skipped = struct.pack("<II3s", 0x184D2A50, 3, b"toc")
    types = (packed.OCI[0], "application/vnd.oci.image.layer.v1.tar+zstd")

    def loaded(layer: bytes) -> Image:
        return load(blobs, packed.manifest(blobs, types, packed.labeled(NEW), layer))

    frames = pack(whole[:700]) + skipped + pack(whole[700:]) + skipped
    assert loaded(frames).programs == (ELF,)
    for layer, why in (
        (b"no zstd at all", "malformed zstd: "),
        (b"", "malformed tar: "),
        (pack(whole)[:-20], "malformed "),
        (pack(bytes(65 << 20)), "unpacks to more than 67108864 bytes"),
    ):
        with pytest.raises(UnsupportedImage, match=rf"^x: layer sha256:[0-9a-f]+: {why}"):
            loaded(layer)


def test_other_container_images(blobs: Blobs) -> None:
    files = packed.tar({"bin/sh": b"#!"})
    message = refused(blobs, files, labels={"maintainer": "me"})
    reason = "a container image without labels io.ebpf.*, and its layer: no file: expected one ELF"
    assert message.startswith(f"x: no known eBPF image format: {reason}")
    config = packed.labeled({"maintainer": "me"})
    with pytest.raises(UnsupportedImage, match=r"^x: no known eBPF image format: config app"):
        load(blobs, packed.manifest(blobs, packed.OCI, config, files, packed.tar({"x": ELF})))
    with pytest.raises(UnsupportedImage, match=r"^x: layers .*: expected one, a tar"):
        load(blobs, packed.manifest(blobs, packed.OCI, packed.labeled(NEW), files, files))
    with pytest.raises(UnsupportedImage, match=r"^x: layers none: expected one, a tar"):
        load(blobs, packed.manifest(blobs, packed.OCI, packed.labeled(NEW)))


def bomb(size: int) -> bytes:
    """Return a layer that unpacks to so many megabytes of zeros."""
    packer = zlib.compressobj(wbits=31)
    zeros = bytes(1 << 20)
    return b"".join([*[packer.compress(zeros) for _ in range(size)], packer.flush()])


def special(kind: bytes, **fields: object) -> bytes:
    """Return a layer of a member that is no plain file, and is called as an object."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("x.o")
        member.type = kind
        for name, value in fields.items():
            setattr(member, name, value)
        archive.addfile(member)
    return gzip.compress(buffer.getvalue())


def test_layers_that_are_no_tar_file_with_an_object(blobs: Blobs) -> None:
    layer = packed.tar({"x.o": ELF})
    whole = gzip.decompress(layer)
    assert "malformed gzip: " in refused(blobs, b"no gzip at all")
    assert "malformed gzip: ends too early" in refused(blobs, layer[:-12])
    assert "malformed gzip: " in refused(blobs, layer + b"more")
    assert "malformed tar: " in refused(blobs, gzip.compress(b"x" * 2000))
    assert "malformed tar: " in refused(blobs, gzip.compress(whole[:530]))
    assert "malformed tar: empty file" in refused(blobs, gzip.compress(b""))
    two = refused(blobs, packed.tar({"a": ELF, "b\x1b[31m": ELF}))
    assert two.endswith(r"a, b\x1b[31m: expected one ELF object of eBPF")
    links = [special(kind, linkname="/etc/passwd") for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE)]
    devices = [special(kind) for kind in (tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)]
    for member in (*links, *devices):
        assert "no file: expected one ELF object" in refused(blobs, member)


def test_bombs(blobs: Blobs) -> None:
    assert "unpacks to more than 67108864 bytes" in refused(blobs, bomb(300))
    assert "more than 64 members" in refused(blobs, gzip.compress(b"") * 1000)
    many = gzip.compress(gzip.decompress(special(tarfile.DIRTYPE))[:512] * 5000)
    assert "more than 4096 files" in refused(blobs, many)


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ({"io.ebpf.programs": "{"}, "label io.ebpf.programs: not JSON: "),
        ({"io.ebpf.programs": "\ud800"}, "label io.ebpf.programs: not JSON: "),
        ({"io.ebpf.programs": "[]"}, "label io.ebpf.programs: a JSON object is expected"),
        ({"io.ebpf.programs": '{"a":"xdp","a":"tc"}'}, "label io.ebpf.programs: key 'a': dup"),
        ({"io.ebpf.programs": '{"a":["xdp"]}'}, "label io.ebpf.programs: a: a string is expected"),
        ({"io.ebpf.programs": "[" * 100000}, "label io.ebpf.programs: not JSON: nested too deeply"),
        (
            {"io.ebpf.programs": json.dumps({str(number): "xdp" for number in range(5000)})},
            "label io.ebpf.programs: 5000 programs, at most 4096",
        ),
        ({"io.ebpf.programs": 7}, "label io.ebpf.programs: a string is expected, not 7"),
    ],
)
def test_labels_of_wrong_types(blobs: Blobs, labels: dict[str, str], why: str) -> None:
    assert refused(blobs, packed.tar({"x": ELF}), labels).startswith(f"x: {why}")


@pytest.mark.parametrize("config", [[], {"config": []}, {"config": {"Labels": ["a"]}}, {}])
def test_configs_of_wrong_types(blobs: Blobs, config: object) -> None:
    manifest = packed.manifest(blobs, packed.OCI, config, packed.tar({"x": ELF}))
    if isinstance(config, dict):
        assert load(blobs, manifest).hints == {}
    else:
        with pytest.raises(UnsupportedImage, match=r"^x: config: a JSON object is expected"):
            load(blobs, manifest)


def test_other_formats_come_first() -> None:
    assert formats.TABLE[-1] == "bpfman"
