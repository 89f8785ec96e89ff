"""Packages of images from a registry; podman builds them, if it is installed."""

import io
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from beepy.oci.formats import bee
from beepy.oci.lookup import bundled_store
from beepy.oci.store import Store
from tests.registry.hostile import NAME, Hostile, digest
from tests.support.command import Beepy, environment

pytestmark = pytest.mark.registry

IMAGE = bundled_store().get("exitsnoop-counter")
BASE = "localhost/beepys-base:1"


@pytest.fixture
def beepy(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Beepy:
    """Run in a directory of its own."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return Beepy(home)


def serve(server: Hostile, extra: bytes) -> None:
    """Serve an image with a layer that is not fetched for a run."""
    (program,) = IMAGE.programs
    manifest = json.loads(bee.write_manifest(program, {}))
    manifest["layers"].append(
        {"mediaType": "text/plain", "digest": digest(extra), "size": len(extra)}
    )
    server.manifest = json.dumps(manifest).encode()
    for data in (program, extra, bee.CONFIG_BODY):
        server.blobs[digest(data)] = data


def test_an_image_is_pulled_whole_and_named_by_digest(plain: Hostile, beepy: Beepy) -> None:
    """A run fetches what its format uses; a package has all layers."""
    serve(plain, b"a layer that beepy does not use")
    reference = f"{plain.host}/{NAME}:1"
    for wanted in ("first", "stored"):
        done = beepy("package", reference, "--beepy-image=x", "-o", wanted)
        assert (done.code, done.out) == (0, f"{wanted}\n"), done.err
        store = Store(Path(wanted, "image"))
        assert store.names() == (reference,)
        assert not store.list()[0].partial
        pod = yaml.safe_load(Path(wanted, "pod.yaml").read_text())
        assert pod["spec"]["volumes"][0]["image"]["reference"] == (
            f"{plain.host}/{NAME}@{digest(plain.manifest)}"
        )


def test_another_image_under_the_tag_is_warned_of(plain: Hostile, beepy: Beepy) -> None:
    """The local image is partial: what it lacks is pulled by its tag, which has moved."""
    reference = f"{plain.host}/{NAME}:1"
    serve(plain, b"first")
    assert beepy("describe", reference).code == 0
    old = digest(plain.manifest)
    serve(plain, b"second")
    new = digest(plain.manifest)
    done = beepy("package", reference, "--beepy-image=x", "-o", "out")
    assert (done.code, done.out) == (0, "out\n"), done.err
    assert done.said[0] == (
        f"warning: {reference}: pulled again, and packaged, as {new}: it was {old}"
    )
    assert Store(Path("out", "image")).list()[0].digest == new


class Podman:
    """podman with a storage of its own."""

    def __init__(self, path: Path, home: Path) -> None:
        configuration = path / "storage.conf"
        configuration.write_text(
            f'[storage]\ndriver = "vfs"\ngraphroot = "{path}/root"\nrunroot = "{path}/run"\n'
        )
        self.variables = {"CONTAINERS_STORAGE_CONF": str(configuration)}
        self._environment = environment(home, self.variables)

    def __call__(self, *arguments: str, given: bytes = b"") -> bytes:
        done = subprocess.run(
            ["podman", *arguments],
            check=False,
            capture_output=True,
            input=given,
            env=self._environment,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def inspect(self, image: str) -> Mapping[str, Any]:
        (inspected,) = json.loads(self("image", "inspect", image))
        assert isinstance(inspected, dict)
        return inspected


@pytest.fixture
def podman(tmp_path: Path, home: Path) -> Iterator[Podman]:
    """Yield a podman that has an image to build on: it holds one file, nothing is run in it."""
    if os.geteuid():
        pytest.skip("needs root")
    if not shutil.which("podman"):
        pytest.skip("podman is not installed")
    with io.BytesIO() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("etc/base"))
        data = file.getvalue()
    (tmp_path / "podman").mkdir()
    podman = Podman(tmp_path / "podman", home)
    try:
        podman("import", "--quiet", "-", BASE, given=data)
        yield podman
    finally:
        podman("rm", "--all", "--force")
        podman("rmi", "--all", "--force")


def test_podman_builds_what_is_written(podman: Podman, beepy: Beepy, tmp_path: Path) -> None:
    beepy = beepy._replace(variables=podman.variables)
    hostile = 'says "it", with $PATH, \\ and\nRUN ["false"]'
    own = Store(beepy.home / ".local" / "share" / "beepy" / "store")
    description = "org.opencontainers.image.description"
    own.add_image("a.b/tools/count:1", IMAGE.programs[0], {description: hostile})
    done = beepy(
        *("package", "a.b/tools/count:1", "localhost/count:1", f"--beepy-image={BASE}"),
        *("--build", "--builder=podman", "--arg=--count", "--arg=1"),
    )
    assert (done.code, done.out) == (0, "count-package\n"), done.err
    built = podman.inspect("localhost/count:1")
    assert built["Labels"][description] == 'says "it", with $PATH, \\ and\\x0aRUN ["false"]'
    assert built["Labels"]["io.containers.capabilities"] == "CAP_BPF,CAP_PERFMON"
    assert built["Config"]["Cmd"] == ["--count", "1"]
    assert built["Config"]["Entrypoint"][:3] == ["beepy", "run", "a.b/tools/count:1"]
    assert list(built["Config"]["ExposedPorts"]) == ["9091/tcp"]
    assert built["Healthcheck"]["Test"][:2] == ["CMD", "python3"]
    container = podman("create", "localhost/count:1").decode().strip()
    with tarfile.open(fileobj=io.BytesIO(podman("export", container))) as archive:
        archive.extractall(tmp_path / "root", filter="data")
    packaged = Store(tmp_path / "root" / "image").get("a.b/tools/count:1")
    assert packaged.programs == IMAGE.programs


def test_a_base_that_is_not_there_is_one_line(podman: Podman, beepy: Beepy) -> None:
    beepy = beepy._replace(variables=podman.variables)
    done = beepy(
        *("package", "exitsnoop", "localhost/x:1", "--beepy-image=localhost/nosuch:1"),
        *("-b", "podman"),
    )
    assert (done.code, done.out) == (1, "")
    assert done.said[-1] == "beepy: exitsnoop-package: podman build: exit code 125"
    assert Path("exitsnoop-package", "Containerfile").is_file()
