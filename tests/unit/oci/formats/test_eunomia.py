import base64
import json
import zlib
from pathlib import Path
from typing import Any, Final

import pytest

from beepy.errors import UnsupportedImage
from beepy.oci import formats, lookup
from beepy.oci.formats import eunomia
from tests.support import packed
from tests.support.blobs import Blobs

ELF = b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 4
META: Final[object] = {
    "bpf_skel": {"obj_name": "x_bpf", "maps": None, "progs": [], "data_sections": []}
}
PACKAGE = packed.package(ELF, META)
NO_WASM = "a WASM module: beepy runs eBPF objects and package.json, no WASM"


@pytest.fixture
def blobs() -> Blobs:
    return Blobs()


def written(path: Path, data: bytes, name: str = "package.json") -> str:
    (path / name).write_bytes(data)
    return str(path / name)


def refused(path: Path, data: bytes, name: str = "package.json") -> str:
    """Return why a file is refused, one line that begins with its name."""
    text = written(path, data, name)
    with pytest.raises(UnsupportedImage) as caught:
        lookup.find(text)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < len(text) + 300
    assert message.startswith(f"{text}: ")
    return message.removeprefix(f"{text}: ")


def test_an_artifact(blobs: Blobs) -> None:
    image = blobs.load(blobs.add(packed.manifest(blobs, packed.WASM, {}, PACKAGE)))
    assert (image.format, image.programs, image.program_names) == ("eunomia", (ELF,), ("",))
    assert json.loads(image.hints[eunomia.META]) == META


@pytest.mark.parametrize("name", ["package.json", "ecli.package"])
@pytest.mark.parametrize("blanks", [b"", b"\n  "])
def test_a_file(tmp_path: Path, name: str, blanks: bytes) -> None:
    image = lookup.find(written(tmp_path, blanks + PACKAGE, name))
    assert (image.format, image.programs) == ("eunomia", (ELF,))
    assert json.loads(image.hints[eunomia.META]) == META


def test_a_file_whose_object_comes_last(tmp_path: Path) -> None:
    body = json.loads(PACKAGE)
    turned: dict[str, Any] = {"meta": {**body["meta"], "x": "y" * 600}, **body}
    turned["bpf_object"] = turned.pop("bpf_object")
    data = json.dumps(turned).encode()
    assert lookup.find(written(tmp_path, data)).programs == (ELF,)


def test_wasm_is_refused(blobs: Blobs, tmp_path: Path) -> None:
    module = b"\0asm\x01\0\0\0" + PACKAGE
    assert refused(tmp_path, module, "app.wasm") == NO_WASM
    with pytest.raises(UnsupportedImage) as caught:
        blobs.load(blobs.add(packed.manifest(blobs, packed.WASM, {}, module)))
    assert str(caught.value) == f"x: {NO_WASM}"


def test_artifacts_of_several_layers(blobs: Blobs) -> None:
    with pytest.raises(UnsupportedImage, match=r"^x: 2 layers: expected one, a package\.json"):
        blobs.load(blobs.add(packed.manifest(blobs, packed.WASM, {}, PACKAGE, PACKAGE)))


def changed(**changes: object) -> bytes:
    return packed.package(ELF, META, **changes)


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"{}", "package: no bpf_object: not a package of eunomia-bpf"),
        (b'{"a": 1', "package: not JSON: "),
        (b'{"a": ' + b"[" * 100000, "package: not JSON: nested too deeply"),
        (b'{"a": 1, "a": 2}', "package: key 'a': duplicate"),
        (changed(meta=[]), "package: meta: an object is expected, not []"),
        (changed(meta=None), "package: meta: an object is expected, not None"),
        (changed(bpf_object=None), "package: bpf_object: a string is expected, not None"),
        (changed(bpf_object=["x"]), "package: bpf_object: a string is expected, not ['x']"),
        (changed(bpf_object="\u00e9"), "package: bpf_object: not base64 of zlib: "),
        (changed(bpf_object="AA"), "package: bpf_object: not base64 of zlib: "),
        (changed(bpf_object=encoded(ELF)), "package: bpf_object: not base64 of zlib: "),
        (changed(bpf_object_size=None), "package: bpf_object_size None: not from 1 to 67108864"),
        (changed(bpf_object_size=True), "package: bpf_object_size True: not from 1 to"),
        (changed(bpf_object_size=0), "package: bpf_object_size 0: not from 1 to"),
        (changed(bpf_object_size=1 << 40), "package: bpf_object_size 1099511627776: not from 1 to"),
        (changed(bpf_object_size="1"), "package: bpf_object_size 1: not from 1 to"),
        (changed(bpf_object_size=5), "package: bpf_object: unpacks to more than 5 bytes"),
        (
            changed(bpf_object_size=len(ELF) + 1),
            f"package: bpf_object: unpacks to {len(ELF)} bytes, bpf_object_size is {len(ELF) + 1}",
        ),
        (
            changed(bpf_object=encoded(zlib.compress(ELF)[:-6])),
            "package: bpf_object: unpacks to ",
        ),
        (packed.package(b"text", META), "package: bpf_object: not an ELF object"),
    ],
)
def test_packages_of_wrong_types(tmp_path: Path, data: bytes, why: str) -> None:
    assert refused(tmp_path, data).startswith(why)


def test_bombs(tmp_path: Path) -> None:
    bomb = encoded(zlib.compress(bytes(200 << 20)))
    why = "package: bpf_object: unpacks to more than 4096 bytes"
    assert refused(tmp_path, changed(bpf_object=bomb, bpf_object_size=4096)).startswith(why)
    large = refused(tmp_path, changed(more="x" * (9 << 20)))
    assert large.endswith("bytes, at most 8388608 are taken")


@pytest.mark.parametrize("data", [b"[1, 2]", b"text {", b"\x7fELE"])
def test_files_of_other_kinds(tmp_path: Path, data: bytes) -> None:
    assert formats.detect_file("x", data) is None
    assert refused(tmp_path, data) == "neither an ELF object nor an OCI archive"
