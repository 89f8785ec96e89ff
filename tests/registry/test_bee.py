"""bee itself (oras-go's store and client) reads what we write, and we read what it writes."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from beepy.oci.formats.bee import write_manifest
from beepy.oci.lookup import Options
from beepy.oci.manifest import OCI_MANIFEST
from beepy.oci.push import push
from tests.registry import distribution
from tests.registry.conftest import Ours

pytestmark = [pytest.mark.registry, pytest.mark.peer("bee")]

PROGRAM = b"\x7fELF" + bytes(range(256)) * 300


def bee(ours: Ours, *arguments: str) -> str:
    command = ["bee", "--storage", str(ours.store.path), "--config-dir", str(ours.home), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_bee_reads_and_tags_in_our_store(ours: Ours) -> None:
    digest = ours.store.add_image(
        "exitsnoop:v1", PROGRAM, {}, {"architecture": "x86_64", "os": "Linux"}
    )
    assert "exitsnoop:v1" in bee(ours, "list")
    bee(ours, "tag", "exitsnoop:v1", "other:v2")
    assert ours.store.get("other:v2").programs == (PROGRAM,)
    assert [entry.digest for entry in ours.store.list()] == [digest, digest]


def test_bee_pushes_and_pulls(ours: Ours, tmp_path: Path) -> None:
    if not shutil.which(distribution.PROGRAM):
        pytest.skip(f"{distribution.PROGRAM} is not installed")
    with distribution.plain(tmp_path) as server:
        name = f"{server.host}/bb/exitsnoop:v1"
        digest = ours.store.add_image(
            name, PROGRAM, {"org.opencontainers.image.description": "<a> & b"}
        )
        bee(ours, "push", name)
        second = ours._replace(store=type(ours.store)(tmp_path / "second"))
        assert second.pull(name).digest == digest
        third = ours._replace(store=type(ours.store)(tmp_path / "third"))
        bee(third, "pull", name)
        assert third.store.get(name) == second.store.get(name)
        assert third.store.get(name).programs == (PROGRAM,)


@pytest.mark.parametrize("artifact_type", ["", "application/ebpf.oci.image.v1"])
def test_bee_pulls_what_we_push(ours: Ours, tmp_path: Path, artifact_type: str) -> None:
    """It ignores the artifact type of a manifest, and keeps its bytes."""
    if not shutil.which(distribution.PROGRAM):
        pytest.skip(f"{distribution.PROGRAM} is not installed")
    manifest = json.loads(write_manifest(PROGRAM, {}))
    if artifact_type:
        manifest["artifactType"] = artifact_type
    with distribution.plain(tmp_path) as server:
        name = f"{server.host}/bb/exitsnoop:v1"
        ours.store.add_image("x", PROGRAM, {})
        digest = ours.store.put(name, json.dumps(manifest).encode(), OCI_MANIFEST)
        assert push(name, "", Options(storage=ours.store.path)) == digest
        second = ours._replace(store=type(ours.store)(tmp_path / "second"))
        bee(second, "pull", name)
        assert second.store.get(name).digest == digest
        assert second.store.get(name).programs == (PROGRAM,)
