"""Images of bpfman, packed of a source of our own: in a store, in an archive, and run."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

import beepy as api
from beepy.oci.options import Options
from beepy.oci.store import Store
from tests.kernel.conftest import ObjectOf
from tests.support import network, packed
from tests.support.command import Beepy, Done

pytestmark = pytest.mark.kernel

NAME: Final = "quay.io/bpfman-bytecode/counters:latest"
SOURCE: Final = """
#include "include/core.h"
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 3);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
	__type(key, u32);
	__type(value, u64);
} beepy_test_counts SEC(".maps");
static __always_inline void count(u32 key)
{
	u64 *value = bpf_map_lookup_elem(&beepy_test_counts, &key);

	if (value)
		*value += 1;
}
SEC("tracepoint/kill_recorder") int kill_recorder(void *ctx)
{
	count(0);
	return 0;
}
SEC("classifier/stats") int stats(struct __sk_buff *skb)
{
	count(1);
	return -1;
}
SEC("xdp/stats") int pass_all(struct xdp_md *ctx)
{
	count(2);
	return XDP_PASS;
}
SEC("uprobe/getenv_counter") int getenv_counter(void *ctx)
{
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
"""
TYPES: Final = {
    "kill_recorder": "tracepoint",
    "stats": "tcx",
    "pass_all": "xdp",
    "getenv_counter": "uprobe",
}


@pytest.fixture
def store(tmp_path: Path, compiled: ObjectOf) -> Store:
    """Return a store with an index of the image for two machines."""
    store = Store(tmp_path / "store")
    place = packed.Stored(store)
    program = Path(compiled(SOURCE)).read_bytes()
    child = packed.bpfman(place, program, TYPES, {"beepy_test_counts": "per_cpu_array"})
    store.put(NAME, packed.index(place, {"amd64": child, "arm64": child}))
    return store


def ran(beepy: Beepy, store: Store, *options: str, program: str, attached: bool = True) -> Done:
    command = ("-v", "run", "--storage", str(store.path), NAME, "--prog", program, "-o", "json")
    with beepy.start(*command, *options) as running:
        if not attached:
            return running.wait()
        running.until_attached()
        for _ in range(3):
            os.kill(os.getpid(), 0)
        return running.end()


def totals(done: Done) -> Mapping[int, int]:
    """Return the counts by key in the last snapshot, of all CPUs together."""
    assert done.code == 0, done.err
    rows: list[dict[str, Any]] = [json.loads(line) for line in done.out.splitlines()]
    return {row["key"]: row["value"] for row in rows}


def test_a_tracepoint_that_the_user_names(beepy: Beepy, store: Store) -> None:
    target = "kill_recorder=syscalls/sys_enter_kill"
    done = ran(beepy, store, "--attach", target, program="kill_recorder")
    assert totals(done)[0] >= 3
    assert (
        "info: program 'kill_recorder': attached to tracepoint/syscalls/sys_enter_kill" in done.said
    )


@pytest.mark.parametrize("program", ["stats", "pass_all"])
def test_an_interface_that_the_user_names(beepy: Beepy, store: Store, program: str) -> None:
    with network.private() as wire:
        options = ("--iface", wire.b, "--netns", wire.name, "-o", "json", "--prog", program)
        command = ("-v", "run", "--storage", str(store.path), NAME)
        with beepy.start(*command, *options) as running:
            running.until_attached()
            wire.send(4)
            done = running.end()
    assert totals(done)[list(TYPES).index(program)] == 4


@pytest.mark.parametrize(
    ("program", "said", "note"),
    [
        (
            "kill_recorder",
            "tracepoint '': expected CATEGORY/NAME",
            "give a target: --attach kill_recorder=syscalls/sys_enter_kill",
        ),
        (
            "getenv_counter",
            "uprobe: expected BINARY:FUNCTION[+OFFSET]",
            "give a target: --attach getenv_counter=libc.so.6:getenv",
        ),
        ("pass_all", "xdp: no interface is given", "--iface NAME or --attach pass_all=NAME"),
        ("stats", "tcx/ingress: no interface is given", "--iface NAME or --attach stats=NAME"),
    ],
)
def test_a_target_that_is_missing(
    beepy: Beepy, store: Store, program: str, said: str, note: str
) -> None:
    done = ran(beepy, store, program=program, attached=False)
    error, advice = done.said[-2:]
    assert (done.code, done.out, error) == (1, "", f"beepy: program '{program}': {said}")
    assert advice.startswith(f"note: {note}")


def test_the_description(beepy: Beepy, store: Store) -> None:
    out = beepy("describe", "--storage", str(store.path), NAME, "-o", "json").out
    described = json.loads(out)
    assert described["format"] == "bpfman"
    assert described["convention"].startswith("bpfman: types of programs by the image's labels")
    assert {p["name"]: p["section"] for p in described["programs"]} == {
        "kill_recorder": "tracepoint",
        "stats": "tcx/ingress",
        "pass_all": "xdp",
        "getenv_counter": "uprobe",
    }


def test_an_archive(beepy: Beepy, store: Store, tmp_path: Path) -> None:
    path = str(tmp_path / "counters.tar")
    assert beepy("save", "--storage", str(store.path), NAME, "-o", path).code == 0
    target = "getenv_counter=libc.so.6:getenv"
    command = ("-v", "run", path, "--prog", "getenv_counter", "--attach", target)
    with beepy.start(*command) as running:
        running.until_attached()
        assert running.end(signal.SIGTERM).code == 0


def test_from_python(store: Store) -> None:
    options = Options(storage=store.path)
    targets = {"kill_recorder": "syscalls/sys_enter_kill"}
    with api.open(NAME, programs="kill_recorder", targets=targets, options=options) as run:
        run.attach()
        subprocess.run([sys.executable, "-c", "import os; os.kill(os.getpid(), 0)"], check=True)
        assert sum(row for row in dict(run.maps["beepy_test_counts"]).values()) >= 1
