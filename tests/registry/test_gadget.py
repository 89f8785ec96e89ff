"""A gadget of our own, pushed as its tools write it to a real registry: pulled, stored, run."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import TIERS
from tests.registry import distribution
from tests.registry.distribution import PROGRAM, SETUPS
from tests.support import compiled
from tests.support.command import Beepy
from tests.support.gadgets import Layout
from tests.support.trigger import trigger

pytestmark = pytest.mark.registry

METADATA = b"""
datasources:
  calls:
    fields:
      number: {annotations: {columns.hidden: true}}
params:
  ebpf:
    targ_op: {key: op, defaultValue: "3"}
programs:
  sampler:
    perf: {type: software, config: count_sw_cpu_clock}
    sampler: {frequency: 49}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[distribution.Running]:
    for program in (PROGRAM, "skopeo"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    folder = tmp_path_factory.mktemp("gadget")
    data = compiled.objects(folder, ["gadget_trace"])["gadget_trace"].read_bytes()
    layout = Layout(folder / "layout")
    layout.gadget("x", data, METADATA, wasm=b"\0asm")
    with SETUPS["plain"](tmp_path_factory.mktemp("plain")) as running:
        target = f"{running.host}/gadget/trace:1"
        distribution.copy(layout.path, target, "--all", *running.push)
        yield running


@pytest.fixture
def beepy(home: Path) -> Beepy:
    return Beepy(home)


def test_an_unknown_option_pulls_once(server: distribution.Running, beepy: Beepy) -> None:
    """It may be a parameter: only the image knows, which is in the store then."""
    image = f"{server.host}/gadget/trace:1"
    for pull in ((), ("--pull", "never")):
        done = beepy("run", image, "--opp", "7", *pull)
        assert (done.code, done.out) == (2, "")
        assert done.said == [
            "beepy: no such option: --opp: did you mean --op?",
            f"note: parameters of {image}: --op, --pid, --verbose",
            "note: beepy run --help",
        ]


def test_pulled_from_a_registry_and_run(server: distribution.Running, beepy: Beepy) -> None:
    image = f"{server.host}/gadget/trace:1"
    assert beepy("pull", image).code == 0
    described = json.loads(beepy("describe", image, "-o", "json").out)
    assert (described["format"], described["convention"]) == ("gadget", "gadget")
    if why := TIERS["kernel"]():
        pytest.skip(why)
    with beepy.start("-v", "run", image, "--count", "1", "-o", "json", "--no-metrics") as running:
        running.until_attached(2)
        trigger(3, 77)
        done = running.wait()
    assert done.code == 0
    row = json.loads(done.out)
    assert (row["map"], row["number"], row["error"]) == ("calls", 77, "ENOENT")


def test_run_fetches_what_is_missing(server: distribution.Running, beepy: Beepy) -> None:
    if why := TIERS["kernel"]():
        pytest.skip(why)
    image = f"{server.host}/gadget/trace:1"
    with beepy.start(
        "-v", "run", image, "--count", "1", "-o", "columns", "--no-metrics"
    ) as running:
        running.until_attached(2)
        trigger(3, 77)
        done = running.wait()
    assert done.code == 0
    header, line = done.out.splitlines()
    assert "number" not in header
    assert "127.0.0.1:80" in line


def test_skopeo_finds_both_platforms(server: distribution.Running) -> None:
    command = ["skopeo", "inspect", "--raw", "--tls-verify=false"]
    target = f"docker://{server.host}/gadget/trace:1"
    index = json.loads(subprocess.run([*command, target], check=True, capture_output=True).stdout)
    platforms = [child["platform"]["architecture"] for child in index["manifests"]]
    assert platforms == ["amd64", "arm64"]
