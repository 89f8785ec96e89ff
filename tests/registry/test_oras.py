"""oras (its Go program) reads what we push to a real registry, and we what it pushes."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from beepy.oci.formats import bee
from beepy.oci.inspect import inspect
from beepy.oci.lookup import Options, pull
from beepy.oci.push import push
from tests.registry import distribution
from tests.registry.conftest import Ours
from tests.registry.distribution import PASSWORD, SETUPS, USER, Running

pytestmark = [pytest.mark.registry, pytest.mark.peer("oras")]

PROGRAM = b"\x7fELF" + bytes(range(256)) * 300


@pytest.fixture(params=SETUPS)
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    if not shutil.which(distribution.PROGRAM):
        pytest.skip(f"{distribution.PROGRAM} is not installed")
    (tmp_path / "registry").mkdir()
    with SETUPS[request.param](tmp_path / "registry") as running:
        yield running


@pytest.fixture
def options(server: Running, ours: Ours) -> Options:
    name, password = (USER, PASSWORD) if server.wants_login else (None, None)
    return Options(
        storage=ours.store.path, username=name, password=password, ca_file=server.ca_file
    )


def oras(server: Running, folder: Path, *arguments: str) -> bytes:
    flags = ["--ca-file", str(server.ca_file)] if server.ca_file else ["--plain-http"]
    if server.wants_login:
        flags += ["-u", USER, "-p", PASSWORD]
    command = ["oras", *arguments, *flags]
    ran = subprocess.run(command, cwd=folder, check=False, capture_output=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_oras_pulls_what_we_push(
    server: Running, ours: Ours, options: Options, tmp_path: Path
) -> None:
    stored = ours.store.add_image("x", PROGRAM, {"a": "b"})
    name = f"{server.host}/tools/x:1"
    assert push("x", name, options) == stored
    data = oras(server, tmp_path, "manifest", "fetch", name)
    assert data == bee.write_manifest(PROGRAM, {"a": "b"})
    described = json.loads(oras(server, tmp_path, "manifest", "fetch", "--descriptor", name))
    assert described["digest"] == stored
    oras(server, tmp_path, "pull", name)
    assert (tmp_path / "program.o").read_bytes() == PROGRAM


def test_we_pull_what_oras_pushes(
    server: Running, ours: Ours, options: Options, tmp_path: Path
) -> None:
    (tmp_path / "program.o").write_bytes(PROGRAM)
    name = f"{server.host}/theirs/x:1"
    program = f"program.o:{bee.PROGRAM}"
    oras(server, tmp_path, "push", "--artifact-type", "application/x", name, program)
    described = json.loads(oras(server, tmp_path, "manifest", "fetch", "--descriptor", name))
    image = pull(name, options)
    assert (image.digest, image.programs) == (described["digest"], (PROGRAM,))
    again = f"{server.host}/ours/x:1"
    assert push(name, again, options) == image.digest
    assert oras(server, tmp_path, "manifest", "fetch", again) == oras(
        server, tmp_path, "manifest", "fetch", name
    )
    assert ours.store.get(name).digest == image.digest


def test_referrers_that_oras_attaches_are_shown(
    server: Running, ours: Ours, options: Options, tmp_path: Path
) -> None:
    ours.store.add_image("x", PROGRAM, {})
    name = f"{server.host}/signed/x:1"
    stored = push("x", name, options)
    (tmp_path / "note").write_text("a note")
    kind = "application/vnd.example.note"
    oras(server, tmp_path, "attach", "--artifact-type", kind, name, "note:text/plain")
    seen = inspect(name, options._replace(pull="always"))
    assert seen.top.digest == stored
    assert [referrer.artifact_type for referrer in seen.referrers or ()] == [kind]
    found = json.loads(oras(server, tmp_path, "discover", "-o", "json", name))
    listed = found["referrers"] if "referrers" in found else found["manifests"]  # oras 1.2
    assert [entry["digest"] for entry in listed] == [
        referrer.digest for referrer in seen.referrers or ()
    ]
