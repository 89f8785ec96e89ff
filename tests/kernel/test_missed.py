"""Runs that the kernel skips because the program, or another one, was running on the CPU."""

import ctypes
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from beepy.collection.load import load
from beepy.collection.missed import missed
from beepy.kernel import link as kernel_link
from beepy.obj.parse import parse
from tests.kernel.conftest import ObjectOf
from tests.support.command import Beepy, Done
from tests.support.trigger import OURS

pytestmark = pytest.mark.kernel

LIBC = ctypes.CDLL(None)

# Printing is an event of its own, on which the second program would run within the first.
SOURCE = """
#include "test/trigger.h"
#include "maps.h"

struct event {
	u64 number;
};

RING(print_events, struct event);

static bool is_ours(void)
{
	return bpf_get_current_pid_tgid() >> 32 == PID;
}

TRIGGER_SEC
int outer(struct trace_event_raw_sys_enter *ctx)
{
	struct event event = { .number = ctx->args[1] };

	if (!triggered(ctx))
		return 0;
	bpf_ringbuf_output(&print_events, &event, sizeof(event), 0);
	bpf_printk("outer");
	return 0;
}

SEC("SECTION")
int inner(void *ctx)
{
	if (is_ours())
		bpf_printk("inner");
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
"""


def source(section: str) -> str:
    return SOURCE.replace("SECTION", section).replace("PID", str(os.getpid()))


def run(beepy: Beepy, path: str, *options: str, calls: int = 5) -> Done:
    with beepy.start("-v", "run", path, "-o", "json", *options) as running:
        running.until_attached(2)
        for number in range(calls):
            LIBC.prctl(OURS, number, 0, 0, 0)
        running.until(lambda: running.out.count(b"\n") >= calls)
        return running.end()


def test_a_program_that_would_run_within_itself(compiled: ObjectOf, beepy: Beepy) -> None:
    """The first program prints, on which the second runs, and prints, on which it would run."""
    path = compiled(source("raw_tp/bpf_trace_printk"))
    done = run(beepy, path)
    assert [json.loads(line)["number"] for line in done.out.splitlines()] == [0, 1, 2, 3, 4]
    assert re.fullmatch(r"beepy: 5 shown, 0 filtered, 0 lost, 5 missed runs, .* s", done.said[-1])
    assert run(beepy, path, "--fail-on-loss").code == 0
    assert run(beepy, path, "--fail-on-loss=missed").code == 3


def test_a_tracepoint_within_a_tracepoint(compiled: ObjectOf, beepy: Beepy) -> None:
    """perf drops the second event before any program is asked for, and counts nothing (v6.18)."""
    done = run(beepy, compiled(source("tracepoint/bpf_trace/bpf_trace_printk")))
    assert re.fullmatch(r"beepy: 5 shown, 0 filtered, 0 lost, [^,]* s", done.said[-1])


def test_nothing_is_missed(compiled: ObjectOf, beepy: Beepy) -> None:
    done = run(beepy, compiled(source("raw_tp/bpf_trace_printk")), "--fail-on-loss=missed", calls=0)
    assert done.code == 0
    assert "missed" not in done.said[-1]


def test_a_kernel_that_does_not_count(compiled: ObjectOf, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = parse(
        Path(compiled(source("tracepoint/bpf_trace/bpf_trace_printk"))).read_bytes(), "nested"
    )
    with load(spec) as collection:
        assert missed(collection) == {}  # not attached
        collection.attach()
        assert missed(collection) == {"outer": 0, "inner": 0}
        monkeypatch.setattr(kernel_link, "_missed", lambda _: None)
        assert missed(collection) == {"outer": None, "inner": None}


@pytest.mark.parametrize("options", [(), ("--no-rewrite",)])
def test_exit_code_3(options: tuple[str, ...], beepy: Beepy) -> None:
    """What is lost, or not known, fails; a run without losses does not."""
    with beepy.start(
        *("-v", "run", "exitsnoop", "-o", "none", "--fail-on-loss", *options)
    ) as running:
        running.until_attached()
        subprocess.run([sys.executable, "-c", ""], check=True)
        done = running.end()
    assert done.code == (3 if options else 0)
