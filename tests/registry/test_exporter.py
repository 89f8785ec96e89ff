"""Pairs of ebpf_exporter as artifacts: pushed by beepy and by oras, pulled from a real registry."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.oci.formats import exporter
from beepy.oci.lookup import Options, find, pull
from beepy.oci.push import push
from tests.registry import distribution
from tests.registry.conftest import Ours
from tests.registry.distribution import Running

pytestmark = pytest.mark.registry

ELF = b"\x7fELF" + bytes(range(256))
YAML = b"metrics: {}\n"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    if not shutil.which(distribution.PROGRAM):
        pytest.skip(f"{distribution.PROGRAM} is not installed")
    (tmp_path / "registry").mkdir()
    with distribution.SETUPS["plain"](tmp_path / "registry") as running:
        yield running


@pytest.fixture
def pair(tmp_path: Path) -> str:
    (tmp_path / "pair.bpf.o").write_bytes(ELF)
    (tmp_path / "pair.yaml").write_bytes(YAML)
    return str(tmp_path / "pair.yaml")


def test_files_are_pushed_as_the_image_that_they_are(
    server: Running, ours: Ours, pair: str
) -> None:
    options = Options(storage=ours.store.path)
    name = f"{server.host}/tools/pair:1"
    digest = push(pair, name, options)
    image = pull(name, options)
    assert (image.digest, image.format) == (digest, "exporter")
    assert (image.programs, image.hints) == ((ELF,), {"config": YAML, "name": b"pair"})
    files = find(pair)
    assert (files.digest, files.programs, files.hints) == (digest, image.programs, image.hints)
    assert find(name, options._replace(pull="never")).programs == (ELF,)


@pytest.mark.peer("oras")
def test_oras_pushes_what_we_pull(server: Running, ours: Ours, pair: str) -> None:
    name = f"{server.host}/theirs/pair:1"
    files = [f"pair.yaml:{exporter.CONFIG}", f"pair.bpf.o:{exporter.OBJECT}"]
    command = ["oras", "push", "--plain-http", "--artifact-type", exporter.ARTIFACT, name, *files]
    subprocess.run(command, cwd=Path(pair).parent, check=True, capture_output=True)
    image = pull(name, Options(storage=ours.store.path))
    assert (image.format, image.programs) == ("exporter", (ELF,))
    assert image.hints == {"config": YAML, "name": b"pair"}
