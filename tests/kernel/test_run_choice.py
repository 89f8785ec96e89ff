"""Which programs a run loads, its first lines, and its notes if it cannot show anything."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from beepy.collection.load import load
from beepy.errors import KernelError
from beepy.errors import typed as as_typed
from beepy.source import parse
from tests.kernel.conftest import ObjectOf
from tests.kernel.test_run_refusals import refused
from tests.support import network
from tests.support.command import BEEPY, Beepy, environment

pytestmark = pytest.mark.kernel

TWO = """
#include "include/core.h"
SEC("xdp") int allow(struct xdp_md *ctx) { return XDP_PASS; }
SEC("xdp") int drop(struct xdp_md *ctx) { return XDP_DROP; }
SEC("?sockett1") int unknown(void *ctx) { return 0; }
char LICENSE[] SEC("license") = "GPL";
"""

STACKS = """
#include "include/core.h"
struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 4);
	__uint(key_size, 4);
	__uint(value_size, 80);
} stacks SEC(".maps");
SEC("tracepoint/sched/sched_process_exec") int count(void *ctx) { return 0; }
char LICENSE[] SEC("license") = "GPL";
"""
SIZELESS = """
#include "include/core.h"
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__type(key, u32);
	__type(value, u64);
} counter_sized_at_run SEC(".maps");
SEC("tracepoint/sched/sched_process_exec") int count(void *ctx)
{
	u32 key = 7;
	u64 value = 1;
	bpf_map_update_elem(&counter_sized_at_run, &key, &value, 0);
	return 0;
}
char LICENSE[] SEC("license") = "GPL";
"""


def test_the_first_line_comes_before_the_first_row(beepy: Beepy) -> None:
    done = beepy(
        "run", "exitsnoop", "opensnoop", "-o", "columns", "--timeout", "1ms", "--count", "1000000"
    )
    first, second, last = done.said
    assert first == "exitsnoop: threads that end, with exit code or signal (1 program)"
    ends = "6 programs; ends after 1000000 rows or 0.001 s"
    assert second == f"opensnoop: files that are opened, or could not be ({ends})"
    assert last.startswith("beepy: ")


def test_the_metrics_url_follows_the_first_line(beepy: Beepy) -> None:
    done = beepy("run", "exitsnoop-counter", "-o", "none", "--prom-port", "0", "--timeout", "1ms")
    assert (
        done.said[0]
        == "exitsnoop-counter: threads that end, as a counter (1 program; ends after 0.001 s)"
    )
    assert re.fullmatch(r"metrics: http://127\.0\.0\.1:\d+/metrics", done.said[1])


def test_prog_chooses_one_of_two_programs(beepy: Beepy, compiled: ObjectOf) -> None:
    path = compiled(TWO)
    done = beepy("run", path, "--iface", "lo")
    assert (
        refused(done, 2)
        == "programs 'allow' and 'drop': xdp lo: an interface takes one XDP program"
    )
    assert "--prog allow" in done.said[1]
    with network.private() as net:
        where = ("--iface", net.a, "--netns", str(net.holder))
        done = beepy("run", path, *where, "--prog", "drop", "--timeout", "1ms")
        assert (done.code, done.said[0]) == (0, f"{path} (1 program; ends after 0.001 s)")


@pytest.mark.parametrize(
    ("names", "message", "note"),
    [
        (
            ["alow"],
            "--prog 'alow': no program has that name: expected allow, drop, unknown",
            "did you mean allow?",
        ),
        (["unknown"], 'no program type is known by that name, expected SEC("socket")', ""),
    ],
)
def test_prog_refuses_unknown_names(
    beepy: Beepy, compiled: ObjectOf, names: list[str], message: str, note: str
) -> None:
    done = beepy("run", compiled(TWO), *[f"--prog={name}" for name in names])
    assert done.said[0].endswith(message)
    assert [line.startswith(f"note: {note}") for line in done.said[1:]] == [True] * bool(note)
    assert done.code == (1 if "type" in message else 2)


def test_only_chosen_programs_are_loaded(beepy: Beepy) -> None:
    done = beepy(
        "-v",
        "run",
        "opensnoop",
        "--prog",
        "enter_open",
        "--prog=exit_open",
        "-o",
        "none",
        "--timeout",
        "1ms",
    )
    assert done.code == 0
    assert re.findall("program '(.*)': loaded", done.err) == ["enter_open", "exit_open"]
    assert "opensnoop: files that are opened, or could not be (2 programs; " in done.err


def test_a_map_without_a_size_has_a_note(beepy: Beepy, compiled: ObjectOf) -> None:
    """The commands of the notes make the run work."""
    path = compiled(SIZELESS)
    with pytest.raises(KernelError) as caught:
        load(parse(Path(path).read_bytes()))
    assert str(caught.value).startswith(
        "map 'counter_sized_at_run': create: invalid argument (EINVAL): max_entries 0 (its size"
    )
    make, use = [*map(as_typed, caught.value.__notes__)]
    if not shutil.which("bpftool"):
        pytest.skip("bpftool is not installed")
    flag, folder = use.split()[:2]
    command = shlex.join(
        [*BEEPY, "run", path, "-o", "none", "--no-metrics", "--timeout", "1ms", flag, folder]
    )
    typed = f"mount -t bpf bpf /sys/fs/bpf && {make} && {command}"  # the pins go with the namespace
    ran = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", typed],
        env=environment(beepy.home),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr
    assert "(1 program; ends after 0.001 s)" in ran.stderr
    assert "--map-size" not in ran.stderr


@pytest.mark.parametrize(
    ("options", "size"), [((), 10240), (("--map-size", "counter_sized_at_run=64K"), 65536)]
)
def test_a_map_without_a_size_gets_one(
    beepy: Beepy, compiled: ObjectOf, options: tuple[str, ...], size: int
) -> None:
    done = beepy("-d", "run", compiled(SIZELESS), "--timeout", "1ms", "--no-metrics", *options)
    assert (done.code, done.out) == (0, "")
    said = [line for line in done.said if line.startswith("warning: ")]
    name = "counter_sized_at_run"
    advice = f"its size is left to who loads it: --map-size {name}=N sets it"
    assert said == [] if options else [f"warning: map '{name}': {size} entries: {advice}"]


def test_a_run_that_shows_nothing_warns(beepy: Beepy, compiled: ObjectOf) -> None:
    done = beepy("run", compiled(STACKS), "--timeout", "1ms")
    assert done.code == 0
    assert "program; ends after 0.001 s)" in done.said[0]
    assert done.said[1].startswith(
        "warning: nothing will be shown, the programs only stay attached: "
    )
    assert done.said[-1].startswith("beepy: 0 shown, ")


@pytest.mark.parametrize("limit", [6, 8, 10, 12])
def test_too_few_file_descriptors(beepy: Beepy, limit: int) -> None:
    few = beepy._replace(prefix=("sh", "-c", f'ulimit -n {limit} && exec "$@"', "sh"))
    done = few("run", "opensnoop", "--timeout", "1ms")
    assert refused(done, 1) == f"open files: limit of {limit} reached"
    assert done.said[1:] == ["note: ulimit -n 1024"]


def test_a_pid_as_password_has_a_note(beepy: Beepy) -> None:
    done = beepy("run", "opensnoop", "-p", "1")
    assert refused(done, 2).startswith("--password: ")
    assert done.said[1:] == ["note: -p is the password; one process alone: --pid 1"]
    assert beepy("run", "opensnoop", "--pid", "1", "-o", "none", "--timeout", "1ms").code == 0
