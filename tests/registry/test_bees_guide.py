"""bee's guide from the first line to the last, with ``bee`` replaced by ``beepy``.

What the guide asks for on a terminal is given as options, and its account is the test's.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.registry.distribution import PASSWORD, USER
from tests.registry.test_ghcr import ROOT
from tests.support import apart

pytestmark = pytest.mark.registry

GHCR = f"ghcr.io/{USER}/my_probe:v1"
TRIAL = "localhost:5000/my_probe:v1"
ACCOUNT = f"export GITHUB_USER={USER} GITHUB_TOKEN={PASSWORD}; "
INIT = "beepy init --language C --program-type FileSystem --map RingBuffer --output-type print"

LINES = {
    "init": f"{INIT} --file probe.c",
    "build": "beepy build probe.c my_probe:v1",
    "list": "beepy list",
    "login": f"{ACCOUNT}echo $GITHUB_TOKEN | beepy login -u $GITHUB_USER --password-stdin ghcr.io",
    "tag": f"{ACCOUNT}beepy tag my_probe:v1 ghcr.io/$GITHUB_USER/my_probe:v1",
    "push": f"{ACCOUNT}beepy push ghcr.io/$GITHUB_USER/my_probe:v1",
    "tag for the trial": "beepy tag my_probe:v1 localhost:5000/my_probe:v1",
    "push for the trial": "beepy push localhost:5000/my_probe:v1",
    "rm": f"beepy rm my_probe:v1 {GHCR} {TRIAL}",
    "pull": f"beepy pull {GHCR}",
    "describe": f"beepy describe {GHCR}",
    "describe from the trial": f"beepy describe {TRIAL}",
    "package": f"beepy package {GHCR} bee-tcpconnect:latest --wheel x-1-py3-none-any.whl",
    "logout": "beepy logout ghcr.io",
    "push without a log-in": f"beepy push {GHCR}",
    "version": "beepy version",
    "completion": "beepy completion bash",
}


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, str]]:
    """Type all lines in order; return how each ended: exit code, output, errors."""
    if os.geteuid():
        pytest.skip("needs root for namespaces")
    for program in ("clang", "bpftool", "docker-registry", "ip"):
        if not shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin"):
            pytest.skip(f"{program} is not installed")
    if not Path("/sys/kernel/btf/vmlinux").exists():
        pytest.skip("this kernel has no types")
    folder = tmp_path_factory.mktemp("guide")
    (folder / "x-1-py3-none-any.whl").write_bytes(b"PK")
    environment = {"HOME": str(folder / "home"), "PYTHONPATH": str(ROOT)}
    script = str(ROOT / "tests" / "registry" / "guide.py")
    done = subprocess.run(
        [*apart.command("--net"), sys.executable, script, str(folder)],
        input=json.dumps([*LINES.values()]),
        env={**environment, "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    ends = json.loads((folder / "ends.json").read_text())
    return {name: tuple(end) for name, end in zip(LINES, ends, strict=True)}


@pytest.mark.parametrize("name", [name for name in LINES if name != "push without a log-in"])
def test_a_line_of_the_guide(ends: dict[str, tuple[int, str, str]], name: str) -> None:
    code, _, errors = ends[name]
    assert code == 0, errors


def test_the_image_is_the_same_everywhere(ends: dict[str, tuple[int, str, str]]) -> None:
    (digest,) = {
        ends[name][1].split()[1]
        for name in ("build", "tag", "push", "tag for the trial", "push for the trial", "pull")
    }
    assert digest.startswith("sha256:")
    for name in ("describe", "describe from the trial"):
        assert digest in ends[name][1]
        assert "print_opens" in ends[name][1]
    assert any(line.startswith("my_probe:v1 ") for line in ends["list"][1].splitlines())


def test_what_is_not_logged_in_is_refused_in_one_line(
    ends: dict[str, tuple[int, str, str]],
) -> None:
    code, out, errors = ends["push without a log-in"]
    assert (code, out) == (1, "")
    first, *notes = errors.splitlines()
    assert first.startswith(f"beepy: {GHCR}: ghcr.io: ")
    assert any("beepy login ghcr.io" in note for note in notes), errors
    assert PASSWORD not in "".join(text for end in ends.values() for text in end[1:])
