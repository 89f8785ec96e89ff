"""The users' own command against a registry that answers like ghcr.io, in a private network."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from beepy.oci import lookup
from tests.support import apart

pytestmark = pytest.mark.registry

ROOT = Path(__file__).parents[2]
NAME = "solo-io/bumblebee/exitsnoop:0.0.14"
IMAGE = f"ghcr.io/{NAME}"
BLOBS = "pkg-containers.githubusercontent.com"
PROGRAM = b"\x7fELF" + bytes(range(256)) * 100

PULL = """
import sys
from pathlib import Path
from beepy.oci import lookup
name, store, taken, *ca_file = sys.argv[1:]
options = lookup.Options(storage=Path(store), ca_file=Path(ca_file[0]) if ca_file else None)
image = lookup.find(name, options)
Path(taken).write_bytes(image.programs[0])
assert lookup.find(name, options._replace(pull="never")) == image
"""


def in_a_network_of_its_own(
    folder: Path, programs: Mapping[str, bytes], environment: dict[str, str], *command: str
) -> subprocess.CompletedProcess[str]:
    if os.geteuid():
        pytest.skip("needs root for namespaces")
    if not shutil.which("ip"):
        pytest.skip("ip is not installed")
    for name, program in programs.items():
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(program)
    basic = {"HOME": str(folder / "home"), "PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    server = ROOT / "tests" / "registry" / "ghcr.py"
    whole = [*apart.command("--net"), sys.executable, str(server), str(folder), *command]
    return subprocess.run(
        whole,
        env={**basic, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.mark.parametrize("how", ["flag", "environment"])
def test_pull_from_ghcr(tmp_path: Path, how: str) -> None:
    """Its authority is named by --ca-file, or by OpenSSL's own SSL_CERT_FILE."""
    taken, ca_file = tmp_path / "taken.o", str(tmp_path / "ca.pem")
    pull = (sys.executable, "-c", PULL, IMAGE, str(tmp_path / "store"), str(taken))
    if how == "flag":
        ran = in_a_network_of_its_own(tmp_path, {NAME: PROGRAM}, {}, *pull, ca_file)
    else:
        ran = in_a_network_of_its_own(tmp_path, {NAME: PROGRAM}, {"SSL_CERT_FILE": ca_file}, *pull)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert taken.read_bytes() == PROGRAM
    seen = json.loads((tmp_path / "seen.json").read_text())
    base = "/v2/solo-io/bumblebee/exitsnoop"
    assert [(path.partition("?")[0], authorization) for _, path, authorization in seen["ghcr.io"]][
        :3
    ] == [
        (f"{base}/manifests/0.0.14", None),
        ("/token", None),
        (f"{base}/manifests/0.0.14", "Bearer good"),
    ]
    assert [
        path.partition("?")[0].startswith(f"/ghcrblobs1{base}/blobs/sha256:")
        for _, path, _ in seen[BLOBS]
    ] == [
        True,
        True,
    ]
    assert {authorization for *_, authorization in seen[BLOBS]} == {None}


RUN = """
import json, select, signal, subprocess, sys
image = "ghcr.io/solo-io/bumblebee/exitsnoop:0.0.14"
command = [sys.executable, "-m", "beepy", "run", image, "-f", "exits,comm,bash"]
with subprocess.Popen(command, stdout=subprocess.PIPE) as beepy:
    while not select.select([beepy.stdout], [], [], 0.05)[0]:
        subprocess.run(["bash", "-c", "exit 7"])
        subprocess.run(["sh", "-c", "exit 8"])
    beepy.send_signal(signal.SIGINT)
    sys.stdout.buffer.write(beepy.stdout.read())
sys.exit(beepy.returncode)
"""


def test_the_users_own_command(tmp_path: Path) -> None:
    """Verbatim: ``beepy run ghcr.io/solo-io/bumblebee/exitsnoop:0.0.14 -f exits,comm,bash``."""
    store = lookup.bundled_store()
    if not store.find("exitsnoop-old") or not (ROOT / "beepy" / "cli" / "app.py").exists():
        pytest.skip("the bundled image exitsnoop-old, or the command line, is not built yet")
    program = store.get("exitsnoop-old").programs[0]
    ca_file = {"SSL_CERT_FILE": str(tmp_path / "ca.pem")}
    ran = in_a_network_of_its_own(tmp_path, {NAME: program}, ca_file, sys.executable, "-c", RUN)
    assert ran.returncode == 0, ran.stderr
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    assert {row["map"] for row in rows} == {"exits"}, ran.stderr
    assert all("bash" in row["comm"] for row in rows)  # others on this machine may end as well
    assert ran.stderr.strip()
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert {authorization for *_, authorization in seen["ghcr.io"]} == {None, "Bearer good"}
    assert {authorization for *_, authorization in seen[BLOBS]} == {None}
    assert (tmp_path / "home" / ".local" / "share" / "beepy" / "store" / "index.json").exists()
