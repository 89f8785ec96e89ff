"""Packages of eunomia-bpf: a file is pushed as the artifact that it is run as."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from beepy.errors import UnsupportedImage
from beepy.oci.inspect import inspect
from beepy.oci.lookup import Options, find, pull
from beepy.oci.push import push
from tests.registry import distribution
from tests.registry.conftest import Ours
from tests.registry.distribution import Running
from tests.support import packed
from tests.support.command import Beepy

pytestmark = pytest.mark.registry

ELF = b"\x7fELF" + bytes(range(256))
META: Final[dict[str, object]] = {
    "bpf_skel": {"obj_name": "x_bpf", "maps": None, "progs": [], "data_sections": []}
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    if not shutil.which(distribution.PROGRAM):
        pytest.skip(f"{distribution.PROGRAM} is not installed")
    (tmp_path / "registry").mkdir()
    with distribution.SETUPS["plain"](tmp_path / "registry") as running:
        yield running


def test_a_file_is_pushed_as_the_artifact_that_it_is(
    server: Running, ours: Ours, tmp_path: Path
) -> None:
    package = tmp_path / "package.json"
    package.write_bytes(packed.package(ELF, META))
    options = Options(storage=ours.store.path)
    name = f"{server.host}/tools/package:1"
    digest = push(str(package), name, options)
    image = pull(name, options)
    assert (image.digest, image.format, image.programs) == (digest, "eunomia", (ELF,))
    file = find(str(package))
    assert (file.digest, file.programs, file.hints) == (digest, image.programs, image.hints)
    assert inspect(str(package), options).top.digest == digest


@pytest.mark.parametrize("data", [b"\0asm\1\0\0\0", b"{}"])
def test_what_cannot_be_run_is_not_pushed(ours: Ours, tmp_path: Path, data: bytes) -> None:
    package = tmp_path / "package.json"
    package.write_bytes(data)
    options = Options(storage=ours.store.path)
    with pytest.raises(UnsupportedImage, match=r"package\.json: .*package"):
        inspect(str(package), options)
    with pytest.raises(UnsupportedImage, match=r"package\.json: .*package"):
        push(str(package), "127.0.0.1:1/x", options)


def test_the_command_inspects_a_file(tmp_path: Path) -> None:
    package = tmp_path / "package.json"
    package.write_bytes(packed.package(ELF, META))
    done = Beepy(tmp_path)("inspect", str(package))
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"image    {package} (in a file)\n")
    assert "application/vnd.wasm.content.layer.v1+wasm" in done.out
