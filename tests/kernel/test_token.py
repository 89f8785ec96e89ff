"""BPF tokens: root of a user namespace loads what root outside has delegated to it."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from beepy.features import Feature
from beepy.kernel import features
from beepy.oci.lookup import bundled_store
from beepy.sys import token
from tests.kernel.conftest import ObjectOf
from tests.support import apart, delegated
from tests.support.command import Beepy, Done

pytestmark = pytest.mark.kernel

BPFFS = "/sys/fs/bpf"
WHERE = {"xdpcount": ("--iface", "lo")}
ALL = ",".join(f"delegate_{kind}=any" for kind in ("cmds", "maps", "progs", "attachs"))
NOT_DELEGATED = "operation not permitted (EPERM): the BPF token does not delegate it"
DO_NOT_COUNT = "capabilities within a user namespace do not count"
# here they are made by lines in tracefs, which needs other capabilities than their perf events
LACKED = re.compile(
    r"this kernel has no (PMU|kprobes) |tracefs is not mounted: operation not permi"
)

# a program for each way to attach: those of a perf event, and others
PROGRAMS = """
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
SEC("raw_tp/sched_switch") int raw(void *ctx) { return 0; }
SEC("cgroup/sock_create") int sock(void *ctx) { return 1; }
SEC("cgroup_skb/egress") int skb(void *ctx) { return 1; }
SEC("xdp") int packet(void *ctx) { return 2; }
SEC("tcx/ingress") int classified(void *ctx) { return -1; }
SEC("socket") int filter(void *ctx) { return 0; }
SEC("sk_lookup") int lookup(void *ctx) { return 1; }
SEC("uprobe.multi/libc.so.6:getpid*") int places(void *ctx) { return 0; }
SEC("uprobe/libc.so.6:getpid") int place(void *ctx) { return 0; }
SEC("tracepoint/sched/sched_switch") int trace(void *ctx) { return 0; }
SEC("perf_event/cpu-clock") int sample(void *ctx) { return 0; }
char LICENSE[] SEC("license") = "GPL";
"""


@pytest.fixture(autouse=True)
def supported() -> None:
    if not features.has(Feature.TOKEN):
        pytest.skip("this kernel has no BPF tokens")
    apart.command()


@cache
def described(image: str) -> Any:  # noqa: ANN401 - JSON
    done = Beepy(Path("/nonexistent"))("describe", image, "-o", "json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def options(delegation: Mapping[str, Sequence[str]]) -> str:
    return ",".join(
        f"{name}={':'.join(values)}"
        for name, values in delegation.items()
        if name != "besides" and values
    )


def run(beepy: Beepy, granted: str, *arguments: str, path: str = BPFFS) -> Done:
    inside = beepy._replace(prefix=delegated.prefix(granted, path))
    return inside("run", *arguments, "-o", "none", "--no-metrics", "--timeout", "1ms", "-v")


@pytest.mark.parametrize("name", bundled_store().names())
def test_what_is_described_suffices_for_what_needs_no_perf_event(beepy: Beepy, name: str) -> None:
    delegation = described(name)["token"]
    done = run(beepy, options(delegation), name, *WHERE.get(name, ()))
    if not delegation["besides"]:
        assert done.code == 0, done.err
        return
    assert done.code == 1, done.err
    assert ": loaded\n" in done.err
    assert DO_NOT_COUNT in done.err or LACKED.search(done.err), done.err


def test_each_option_that_is_described_is_needed(beepy: Beepy) -> None:
    delegation = described("runqlat")["token"]
    assert not delegation["besides"]
    for option, values in delegation.items():
        for value in values:
            fewer = {**delegation, option: [other for other in values if other != value]}
            done = run(beepy, options(fewer), "runqlat")
            assert done.code == 1, (option, value, done.err)
            assert NOT_DELEGATED in done.err, (option, value, done.err)


def test_rows_are_shown(beepy: Beepy) -> None:
    granted = options(described("runqlat")["token"])
    inside = beepy._replace(prefix=delegated.prefix(granted))
    done = inside("run", "runqlat", "-o", "json", "--no-metrics", "--count", "3")
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert [row["map"] for row in rows] == ["hist_runqlat"] * 3


@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("raw", ()),
        ("sock", ()),
        ("skb", ()),
        ("packet", ("--iface", "lo")),
        ("classified", ("--iface", "lo")),
        ("filter", ()),
        ("lookup", ()),
        ("places", ()),
        ("place", ()),
        ("trace", ()),
        ("sample", ()),
    ],
)
def test_it_is_described_which_programs_can_be_attached(
    beepy: Beepy, compiled: ObjectOf, program: str, arguments: tuple[str, ...]
) -> None:
    """The command has a network namespace of its own, where it may open packet sockets."""
    image = compiled(PROGRAMS)
    programs = {item["name"]: item for item in described(image)["programs"]}
    besides = {item["name"] for item in programs[program]["besides_token"]} - {"CAP_NET_RAW"}
    done = run(beepy, ALL, image, "--prog", program, *arguments)
    assert f"program '{program}': loaded" in done.err, done.err
    if besides:
        assert done.code == 1, done.err
        assert DO_NOT_COUNT in done.err or LACKED.search(done.err), done.err
    else:
        assert done.code == 0, done.err


def test_the_environment_names_another_file_system(beepy: Beepy) -> None:
    named = beepy._replace(variables={token.VARIABLE: "/mnt"})
    assert run(named, ALL, "runqlat", path="/mnt").code == 0
    done = run(beepy, ALL, "runqlat", path="/mnt")
    assert done.code == 1
    assert DO_NOT_COUNT in done.err
    assert done.said[-1].startswith("note: a BPF token can delegate what it needs (docs/priv")


@pytest.mark.parametrize(
    ("value", "granted", "why"),
    [
        ("", ALL, DO_NOT_COUNT),
        ("/nowhere", ALL, "bpf token: /nowhere: no such file or directory (ENOENT)"),
        ("/tmp", ALL, "bpf token: /tmp: invalid argument (EINVAL): not the root of a BPF file "),
        (BPFFS, "", f"bpf token: {BPFFS}: no such file or directory (ENOENT): it is mounted with"),
    ],
)
def test_there_may_be_no_token(beepy: Beepy, value: str, granted: str, why: str) -> None:
    done = run(beepy._replace(variables={token.VARIABLE: value}), granted, "runqlat")
    assert done.code == 1
    assert why in done.err
    assert (f"note: to do without a token: {token.VARIABLE}=" in done.said) == bool(value)


def test_the_first_namespace_has_no_tokens(beepy: Beepy) -> None:
    """Nothing is delegated to it: a path in the environment is wrong there, none is needed."""
    mounted = ("sh", "-ec", f'mount -t bpf bpf {BPFFS}; exec "$@"', "sh")
    apart_beepy = beepy._replace(prefix=(*apart.command(), *mounted))
    arguments = ("run", "runqlat", "-o", "none", "--no-metrics", "--timeout", "1ms")
    assert apart_beepy(*arguments).code == 0
    done = apart_beepy._replace(variables={token.VARIABLE: BPFFS})(*arguments)
    assert done.code == 1
    assert ": tokens are for user namespaces, this is the first one" in done.err
