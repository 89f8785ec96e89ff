"""Every bundled image with exactly the capabilities that ``describe`` names, and one fewer."""

import json
import re
from functools import cache
from pathlib import Path

import pytest

from beepy import capability
from beepy.host.tracefs import tracepoint_id
from beepy.oci.lookup import bundled_store
from tests.support import apart, ordinary
from tests.support.capabilities import BITS
from tests.support.command import Beepy, Done

pytestmark = pytest.mark.kernel

NAMES = bundled_store().names()
WHERE = {"xdpcount": ("--iface", "lo")}
LACKED = re.compile(r"beepy: .*this kernel has no(ne)? .*")
TRACEFS = Path("/sys/kernel/tracing")


@cache
def described(name: str) -> dict[str, str]:
    """Return the capabilities that ``describe -o json`` names, with their reasons."""
    done = Beepy(Path("/nonexistent"))("describe", name, "-o", "json")
    assert done.code == 0, done.err
    return {one["name"]: one["reason"] for one in json.loads(done.out)["needs"]["capabilities"]}


def run(beepy: Beepy, name: str) -> Done:
    return beepy(
        "run", name, *WHERE.get(name, ()), "-o", "none", "--no-metrics", "--timeout", "1ms"
    )


def as_user(beepy: Beepy, capabilities: set[str]) -> Beepy:
    return beepy._replace(prefix=ordinary.prefix(sorted(capabilities)))


@pytest.mark.parametrize("name", NAMES)
def test_the_capabilities_that_are_named_suffice_and_each_is_needed(
    beepy: Beepy, name: str
) -> None:
    as_root = run(beepy._replace(prefix=("unshare", "--net")), name)
    if as_root.code:
        assert LACKED.match(as_root.err), as_root.err
        pytest.skip(f"{name}: {as_root.said[0].removeprefix('beepy: ')}")
    needed = described(name)
    done = run(as_user(beepy, set(needed)), name)
    assert done.code == 0, done.err
    for missing in needed:
        if missing == "CAP_DAC_READ_SEARCH" and readable_tracefs():
            continue
        done = run(as_user(beepy, needed.keys() - {missing}), name)
        assert done.code == 1, (missing, done.err)
        included = [name for name in BITS if capability.included_in(name) == missing]
        assert any(name in done.said[0] for name in (missing, *included)), (missing, done.err)
        assert missing in done.err
        assert missing != "CAP_DAC_READ_SEARCH" or str(TRACEFS) in done.said[0]


def test_a_uprobe_names_what_it_lacks(beepy: Beepy) -> None:
    """Some kernels let CAP_PERFMON make one."""
    done = run(as_user(beepy, {"CAP_BPF", "CAP_PERFMON"}), "bashreadline")
    assert done.code == 0 or "EACCES): needs CAP_SYS_ADMIN" in done.said[0], done.err


def test_where_tracefs_may_be_read_two_capabilities_suffice(beepy: Beepy) -> None:
    """Emulate a tracefs of mode 0755: changing the real one would change the whole machine."""
    number = tracepoint_id("sched", "sched_process_exit")
    script = f"""
mount -t tmpfs -o mode=0755 tmpfs {TRACEFS} && mkdir -p {TRACEFS}/events/sched/sched_process_exit
echo {number} >{TRACEFS}/events/sched/sched_process_exit/id && exec "$@"
"""
    mounted = (*apart.command(), "sh", "-ec", script, "sh")
    user = as_user(beepy, {"CAP_BPF", "CAP_PERFMON"})
    done = run(user._replace(prefix=(*mounted, *user.prefix)), "exitsnoop")
    assert done.code == 0, done.err


def readable_tracefs() -> bool:
    """Return whether somebody made this machine's tracefs readable for other users."""
    return (TRACEFS / "events").is_dir() and bool(TRACEFS.stat().st_mode & 0o005)
