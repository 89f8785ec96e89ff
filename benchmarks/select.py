"""Skip events of other processes, by beepy and by a filter in C: ``python -m benchmarks.select``.

XDP programs that look up a process and count it, run by BPF_PROG_TEST_RUN: as they are, with each
kind of selection that lets nothing through, and with the same condition written in C. XDP programs
are never selected by beepy itself, as 0 would drop packets: here nobody receives any.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from beepy.collection.collection import Collection
from beepy.collection.load import load
from beepy.host import cgroups
from beepy.obj.spec import CollectionSpec
from beepy.rewrite import select
from beepy.rewrite.select import Selection
from beepy.selecting import fill
from benchmarks._report import limit, machine, medians, table
from benchmarks._test_run import compiled, run_ns

NAME: Final = "nobody-has-this"
PIDS: Final = tuple(range(1 << 22, (1 << 22) + 16))  # above every pid
EMPTY, WHOLE, IN_C = "empty program", "unselected", "one pid, in C"
LIMITS: Final = {"one pid": 10, "16 pids": 30, "one name": 40, "one cgroup": 40}

SOURCE: Final = """
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, u32);
	__type(value, u64);
} counts SEC(".maps");

const volatile u32 wanted = 1 << 22;

static __always_inline int count(void)
{
	u32 pid = bpf_get_current_pid_tgid() >> 32;
	u64 *known = bpf_map_lookup_elem(&counts, &pid);
	u64 first = 1;

	if (known)
		*known += bpf_ktime_get_ns() & 1;
	else
		bpf_map_update_elem(&counts, &pid, &first, BPF_ANY);
	return XDP_PASS;
}

SEC("xdp")
int empty(void *ctx)
{
	return XDP_PASS;
}

SEC("xdp")
int whole(void *ctx)
{
	return count();
}

SEC("xdp")
int in_c(void *ctx)
{
	if (bpf_get_current_pid_tgid() >> 32 != wanted)
		return XDP_PASS;
	return count();
}
"""


@contextmanager
def other_cgroup() -> Iterator[str]:
    """Yield a cgroup that has no process; "" where cgroup v2 is not mounted."""
    root = cgroups.root()
    if not root:
        yield ""
        return
    directory = Path(root) / f"beepy-benchmark-{os.getpid()}"
    directory.mkdir()
    try:
        yield str(directory)
    finally:
        directory.rmdir()


def selected(spec: CollectionSpec, selection: Selection) -> Collection:
    """Load the object with its program ``whole`` selected; the caller closes it."""
    collection = load(select.apply(spec, selection, ["whole"]))
    fill(collection, selection)
    return collection


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description="ns of an event that is skipped")
    parser.add_argument("--rounds", type=int, default=15, help="default: %(default)s")
    rounds = parser.parse_args().rounds
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        spec = compiled(directory, SOURCE)
        plain = stack.enter_context(load(spec))
        selections = {
            "one pid": Selection(pids=PIDS[:1]),
            "16 pids": Selection(pids=PIDS),
            "one name": Selection(names=(NAME.encode(),)),
        }
        if cgroup := stack.enter_context(other_cgroup()):
            selections["one cgroup"] = Selection(cgroups=(cgroup,))
        cases: dict[str, Callable[[], float]] = {
            EMPTY: partial(run_ns, plain.programs["empty"]),
            WHOLE: partial(run_ns, plain.programs["whole"]),
            IN_C: partial(run_ns, plain.programs["in_c"]),
        }
        for name, selection in selections.items():
            collection = stack.enter_context(selected(spec, selection))
            cases[name] = partial(run_ns, collection.programs["whole"])
        medians(cases, 1)
        taken = medians(cases, rounds)
    print(f"a skipped event, medians of {rounds} interleaved rounds; {machine()}")
    rows = [
        (name, f"{ns:.1f}", f"{ns - taken[EMPTY]:.1f}", f"{ns / taken[WHOLE]:.2f}")
        for name, ns in taken.items()
    ]
    table(("", "ns", "beyond empty", "/ unselected"), rows)
    for name, most in LIMITS.items():
        if name in taken:
            limit(f"{name}, ns beyond the empty program", taken[name] - taken[EMPTY], most)


if __name__ == "__main__":
    main()
