"""Images of other projects' formats, pushed by skopeo to a real registry: pulled and run."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from beepy.oci.store import Store
from tests.conftest import TIERS
from tests.registry import distribution
from tests.registry.distribution import SETUPS, Running
from tests.support import packed
from tests.support.command import Beepy, Done
from tests.support.compiled import compile_text
from tests.support.eunomia import META, SOURCE

pytestmark = pytest.mark.registry

SETUP: Final = next(iter(SETUPS))
KILLS: Final = """
#include "include/core.h"
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} kills SEC(".maps");
SEC("tracepoint/kill_recorder") int kill_recorder(void *ctx)
{
	u32 key = 0;
	u64 *value = bpf_map_lookup_elem(&kills, &key);

	if (value)
		__sync_fetch_and_add(value, 1);
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a registry with an index of bpfman, its manifest alone, and a package of eunomia-bpf."""
    for program in (distribution.PROGRAM, "skopeo"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    folder = tmp_path_factory.mktemp("formats")
    store = Store(folder / "store")
    place = packed.Stored(store)
    kills = compile_text(folder, KILLS).read_bytes()
    send = compile_text(folder, SOURCE).read_bytes()
    child = packed.bpfman(place, kills, {"kill_recorder": "tracepoint"}, {"kills": "array"})
    images = {
        "index": packed.index(place, {"amd64": child, "arm64": child, "s390x": child}),
        "bare": child,
        "package": packed.manifest(place, packed.WASM, {}, packed.package(send, META)),
        "wasm": packed.manifest(place, packed.WASM, {}, b"\0asm\x01\0\0\0"),
    }
    with SETUPS[SETUP](folder) as running:
        for name, manifest in images.items():
            store.put(name, manifest)
            target = f"docker://{running.host}/formats/{name}:1"
            command = ["skopeo", "copy", "-q", "--all", "--preserve-digests", *running.push]
            subprocess.run([*command, f"oci:{store.path}:{name}", target], check=True)
        yield running


@pytest.fixture
def beepy(home: Path) -> Beepy:
    if why := TIERS["kernel"]():
        pytest.skip(why)
    return Beepy(home)


def run(beepy: Beepy, *arguments: str) -> Done:
    """Run while a signal is sent and a process is executed."""
    with beepy.start("-v", "run", "-o", "json", *arguments) as running:
        running.until_attached()
        os.kill(os.getpid(), 0)
        subprocess.run(["true"], check=True)
        return running.end()


@pytest.mark.parametrize("name", ["index", "bare"])
def test_bpfman(server: Running, beepy: Beepy, name: str) -> None:
    image = f"{server.host}/formats/{name}:1"
    assert beepy("pull", image).code == 0
    target = "kill_recorder=syscalls/sys_enter_kill"
    done = run(beepy, image, "--pull", "never", "--attach", target)
    assert done.code == 0, done.err
    assert json.loads(done.out.splitlines()[-1])["value"] >= 1


def test_eunomia(server: Running, beepy: Beepy) -> None:
    """The package's option is known once the image is here."""
    done = run(beepy, f"{server.host}/formats/package:1", "--only", "true", "--number", "12")
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert {(row["number"], row["comm"]) for row in rows if row["map"] == "events"} == {
        (12, "true")
    }


def test_a_wasm_module(server: Running, beepy: Beepy) -> None:
    image = f"{server.host}/formats/wasm:1"
    for command in ("run", "pull", "describe"):
        done = beepy(command, image)
        why = "a WASM module: beepy runs eBPF objects and package.json, no WASM"
        assert done == (1, "", f"beepy: {image}: {why}\n")
