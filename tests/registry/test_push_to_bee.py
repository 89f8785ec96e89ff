"""bee pulls what we push."""

import json
import shutil
from pathlib import Path

import pytest

from beepy.oci.formats.bee import write_manifest
from beepy.oci.lookup import Options
from beepy.oci.manifest import OCI_MANIFEST
from beepy.oci.push import push
from tests.registry import distribution
from tests.registry.conftest import Ours
from tests.registry.test_bee import PROGRAM, bee

pytestmark = [pytest.mark.registry, pytest.mark.peer("bee")]


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
