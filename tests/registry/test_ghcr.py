"""The users' own command against a registry that answers as ghcr.io does, in a network of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.registry

ROOT = Path(__file__).parents[2]
IMAGE = "ghcr.io/solo-io/bumblebee/exitsnoop:0.0.14"
BLOBS = "pkg-containers.githubusercontent.com"
PROGRAM = b"\x7fELF" + bytes(range(256)) * 100

PULL = """
import sys
from pathlib import Path
from beepy.oci import lookup
options = lookup.Options(storage=Path(sys.argv[2]), ca_file=Path(sys.argv[3]))
image = lookup.find(sys.argv[1], options)
Path(sys.argv[4]).write_bytes(image.programs[0])
assert lookup.find(sys.argv[1], options._replace(pull="never")) == image
"""


def in_a_network_of_its_own(folder: Path, program: bytes, *command: str) -> subprocess.CompletedProcess[str]:
    if os.geteuid():
        pytest.skip("needs root for namespaces")
    if not shutil.which("unshare") or not shutil.which("ip"):
        pytest.skip("unshare or ip is not installed")
    (folder / "program.o").write_bytes(program)
    environment = {"HOME": str(folder / "home"), "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    whole = ["unshare", "-m", "-n", sys.executable, str(ROOT / "tests" / "registry" / "ghcr.py"), str(folder), *command]
    return subprocess.run(whole, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=100)


def test_pull_from_ghcr(tmp_path: Path) -> None:
    taken = tmp_path / "taken.o"
    ran = in_a_network_of_its_own(
        tmp_path,
        PROGRAM,
        sys.executable,
        "-c",
        PULL,
        IMAGE,
        str(tmp_path / "store"),
        str(tmp_path / "ca.pem"),
        str(taken),
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert taken.read_bytes() == PROGRAM
    seen = json.loads((tmp_path / "seen.json").read_text())
    base = "/v2/solo-io/bumblebee/exitsnoop"
    assert [(path.partition("?")[0], authorization) for _, path, authorization in seen["ghcr.io"]][:3] == [
        (f"{base}/manifests/0.0.14", None),
        ("/token", None),
        (f"{base}/manifests/0.0.14", "Bearer good"),
    ]
    assert [path.partition("?")[0].startswith(f"/ghcrblobs1{base}/blobs/sha256:") for _, path, _ in seen[BLOBS]] == [
        True,
        True,
    ]
    assert {authorization for *_, authorization in seen[BLOBS]} == {None}
