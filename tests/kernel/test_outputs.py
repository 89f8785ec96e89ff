"""Outputs of real runs: stacks have names, and what a kill leaves can be read."""

import json
import random
import signal
import time
from pathlib import Path

import pytest

from beepy import outputs
from tests.kernel.conftest import ObjectOf
from tests.soak import times
from tests.support.command import Beepy
from tests.support.trigger import named, trigger
from tests.unit.outputs.test_files import pids
from tests.unit.outputs.test_pprof import Profile

pytestmark = pytest.mark.kernel

STACKS = """
#include "test/trigger.h"
#include "maps.h"

STACKS(stacks, 64);

struct key {
	int kern_stack_id;
	int user_stack_id;
	char comm[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, struct key);
	__type(value, u64);
} counter_calls SEC(".maps");

struct event {
	s32 kstack_sz;
	char comm[16];
	u64 kstack[16];
};

RING(print_calls, struct event);

SEC("raw_tracepoint/sys_enter")
int enter(struct bpf_raw_tracepoint_args *ctx)
{
	struct key key = {};
	struct event *event;
	u64 *count, one = 1;

	bpf_get_current_comm(key.comm, sizeof(key.comm));
	if (key.comm[0] != 's' || key.comm[1] != 't' || key.comm[2] != ';')
		return 0;
	key.kern_stack_id = bpf_get_stackid(ctx, &stacks, 0);
	key.user_stack_id = bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK);
	count = bpf_map_lookup_elem(&counter_calls, &key);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&counter_calls, &key, &one, BPF_ANY);
	event = bpf_ringbuf_reserve(&print_calls, sizeof(*event), 0);
	if (!event)
		return 0;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	event->kstack_sz = bpf_get_stack(ctx, event->kstack, sizeof(event->kstack), 0);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
"""


ARRAYS = """
#include "test/trigger.h"
#include "maps.h"

struct event {
	char comm[16];
	s32 kstack_sz;
	u64 kstack[16];
};

RING(print_calls, struct event);

TRIGGER_SEC
int enter(struct trace_event_raw_sys_enter *ctx)
{
	struct event *event;

	if (!triggered(ctx))
		return 0;
	event = bpf_ringbuf_reserve(&print_calls, sizeof(*event), 0);
	if (!event)
		return 0;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	event->kstack_sz = bpf_get_stack(ctx, event->kstack, sizeof(event->kstack), 0);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
"""


def exercise() -> None:
    with named(b"st;cks"):
        for _ in range(40):
            trigger(1)


def test_stacks_have_the_names_of_kernel_functions(
    beepy: Beepy, compiled: ObjectOf, tmp_path: Path
) -> None:
    """Those of a table by their ids, those of a stream from the record itself."""
    path = tmp_path / "x.pb.gz"
    arguments = ["-v", "run", compiled(STACKS), "-o", str(path), "--no-metrics"]
    with beepy.start(*arguments) as running:
        running.until_attached()
        exercise()
        assert running.end().code == 0
    profile = Profile(path.read_bytes())
    assert sorted(profile.types) == [("counter_calls", "count"), ("print_calls", "count")]
    counts = [0, 0]
    for frames, values, labels in profile.samples:
        assert labels == [("comm", "st;cks")]
        assert any("sys" in frame and not frame.startswith("0x") for frame in frames)
        counts = [total + value for total, value in zip(counts, values, strict=True)]
    assert counts[0] == counts[1] >= 40
    done = beepy("run", compiled(STACKS), "-o", "folded", "--timeout", "0.2s", "--no-metrics")
    assert (done.code, done.out) == (0, "")


def test_addresses_in_records_have_names_without_a_map_of_stacks(
    beepy: Beepy, compiled: ObjectOf
) -> None:
    arguments = ["-v", "run", compiled(ARRAYS), "-o", "folded", "--no-metrics"]
    with beepy.start(*arguments, "-f", "comm,^st;cks$") as running:
        running.until_attached()
        exercise()
        done = running.end()
    assert done.out
    for line in done.out.splitlines():
        stack = line.rpartition(" ")[0].split(";")
        assert any("sys" in frame and not frame.startswith("0x") for frame in stack)


def test_folded_lines_of_a_run(beepy: Beepy, compiled: ObjectOf) -> None:
    arguments = ["-v", "run", compiled(STACKS), "-o", "folded", "--no-metrics"]
    with beepy.start(*arguments, "--fields", "counter_calls:comm,kern_stack_id,value") as running:
        running.until_attached()
        exercise()
        done = running.end()
    lines = [line.rpartition(" ") for line in done.out.splitlines()]
    assert all(stack.startswith(r"st\x3bcks;") for stack, _, _ in lines)
    assert sum(int(count) for _, _, count in lines) >= 80  # of the table, and of the stream


def test_a_flight_recorder_writes_when_it_is_asked(beepy: Beepy, tmp_path: Path) -> None:
    path = tmp_path / "x.rec"
    arguments = ["-v", "run", "opensnoop", "--record", str(path), "--last", "64K", "-o", "json"]
    with beepy.start(*arguments) as running:
        running.until_attached(6)
        mark = tmp_path / "mark"
        for number in range(3000):
            (mark.parent / f"mark{number % 7}").exists()
            open(mark, "ab").close()  # noqa: PTH123 - it is the event
        running.process.send_signal(signal.SIGUSR1)
        running.until(lambda: b"x.0001.rec: " in running.err)
        open(mark, "ab").close()  # noqa: PTH123 - as above
        done = running.end()
    assert done.code == 0
    shown = [json.loads(line) for line in done.out.splitlines()]
    kept = [json.loads(line) for line in beepy("replay", str(path), "-o", "json").out.splitlines()]
    assert kept == shown[-len(kept) :]
    assert 100 < len(kept) < 3000
    assert " overwritten (--last), 0 lost" in done.said[-1] or "lost unknown" in done.said[-1]
    first = beepy("replay", str(tmp_path / "x.0001.rec"), "-o", "json")
    assert first.code == 0
    assert first.out.splitlines()


def test_a_flight_recorder_of_tables_alone(
    beepy: Beepy, object_of: ObjectOf, tmp_path: Path
) -> None:
    """Nothing would be read of them before the end, with this output."""
    path = tmp_path / "x.rec"
    arguments = ["run", object_of("tables"), "--record", str(path), "--last", "64K"]
    with beepy.start(*arguments, "-o", "none", "--no-metrics") as running:
        running.until(lambda: b"Ctrl-C ends" in running.err)
        running.process.send_signal(signal.SIGUSR1)
        running.until(lambda: b"x.0001.rec: " in running.err)
        assert running.end().code == 0
    done = beepy("replay", str(tmp_path / "x.0001.rec"), "-o", "json")
    assert done.code == 0
    assert '"map": "print_array"' in done.out


def test_a_run_ends_with_a_row(beepy: Beepy, tmp_path: Path) -> None:
    path = tmp_path / "nothing-of-that-name"
    expression = f'ret == ENOENT and fname == "{path}"'
    with beepy.start("-v", "run", "opensnoop", "-o", "json", "--until", expression) as running:
        running.until_attached(6)
        with pytest.raises(FileNotFoundError):
            path.read_bytes()
        done = running.wait()
    assert done.code == 0
    assert json.loads(done.out.splitlines()[-1])["fname"] == str(path)
    assert done.said[-1].startswith("beepy: ")


@pytest.mark.soak
@pytest.mark.parametrize("number", range(times(1)))
def test_a_killed_run_leaves_its_rows(beepy: Beepy, tmp_path: Path, number: int) -> None:
    rng = random.Random(number)
    suffix = rng.choice([end for end in outputs.suffixes() if end.startswith((".j", ".c", ".a"))])
    path = tmp_path / f"x{suffix}"
    with beepy.start("-v", "run", "opensnoop", "-o", str(path), "--no-metrics") as running:
        running.until_attached(6)
        began = 0
        while not began:
            open("/etc/hostname", "rb").close()  # noqa: PTH123 - it is the event
            began = len(pids(path, cut=True)) if path.exists() else 0
        time.sleep(rng.uniform(0, 0.5))
        running.end(signal.SIGKILL)
    assert len(pids(path, cut=True)) >= began
