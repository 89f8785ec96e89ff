"""Functions of stacks, beside what addr2line(1) and /proc/kallsyms say of their addresses."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from beepy.obj import executable, function_table
from tests.kernel.conftest import ObjectOf
from tests.support import probed
from tests.support.command import Beepy
from tests.support.trigger import OURS

pytestmark = pytest.mark.kernel

PROGRAM: Final = r"""
#include <stdio.h>
#include <sys/prctl.h>

__attribute__((noinline)) static int innermost(void) { return prctl(TRIGGER, 1, 2, 3, 4); }
__attribute__((noinline)) int middle(void) { int r = innermost(); __asm__ volatile(""); return r; }
__attribute__((noinline)) int outer(void) { int r = middle(); __asm__ volatile(""); return r; }

int main(void)
{
	while (getchar() != EOF) {
		printf("%d\n", outer());
		fflush(stdout);
	}
	return 0;
}
"""

_FLAGS: Final = ("-O1", "-fno-omit-frame-pointer", f"-DTRIGGER={OURS}")
CALLERS: Final = ["middle", "outer", "main"]

STACKS: Final = """
#include "test/trigger.h"
#include "maps.h"

STACKS(stacks, 16384);

struct event {
	u32 pid;
	int kern_stack_id;
	int user_stack_id;
	int kstack_sz;
	u64 kstack[32];
	u64 caller_ip;
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
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->kern_stack_id = bpf_get_stackid(ctx, &stacks, 0);
	event->user_stack_id = bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK);
	__builtin_memset(event->kstack, 0, sizeof(event->kstack));
	event->kstack_sz = bpf_get_stack(ctx, event->kstack, sizeof(event->kstack), 0);
	event->caller_ip = event->kstack[1];
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
"""


def rows(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def kernel_function(address: int) -> set[str]:
    """The names of the last address up to this one in /proc/kallsyms."""
    best, names = 0, set[str]()
    for line in Path("/proc/kallsyms").read_text().splitlines():
        at, name = int(line.split()[0], 16), line.split()[2]
        if best < at <= address:
            best, names = at, {name}
        elif at == best:
            names.add(name)
    return names


@pytest.mark.usefixtures("same_pids")
def test_functions_beside_addr2line_and_kallsyms(
    beepy: Beepy, compiled: ObjectOf, tmp_path: Path
) -> None:
    if not shutil.which("addr2line"):
        pytest.skip("not installed: addr2line")
    source = tmp_path / "calling.c"
    source.write_text(PROGRAM)
    program = probed.compiled(tmp_path, *_FLAGS, "-g", "-no-pie", source=source)
    recorded = str(tmp_path / "x.rec")
    fields = ["--fields", "+user_frames,+kernel_frames"]
    with (
        probed.Probed(program) as calling,
        beepy.start(
            "-v", "run", compiled(STACKS), "-o", "json", *fields, "--record", recorded
        ) as r,
        beepy.start("-v", "run", compiled(STACKS), "-o", "columns", "--rows") as columns,
    ):
        r.until_attached()
        columns.until_attached()
        calling.pass_all(1)
        r.until(lambda: f'"pid": {calling.pid},'.encode() in r.out)
        columns.until(lambda: f" {calling.pid} ".encode() in columns.out)
        shown = columns.end().out
        out = r.end().out
    row, *_ = [row for row in rows(out) if row["pid"] == calling.pid]
    functions = row["user_frames"].split("; ")
    # the C library's prctl has no frame, so that its caller is not seen
    assert functions[0].endswith("prctl")
    assert functions[1:4] == CALLERS
    # the addresses of the user's stack are in columns; return addresses are behind the call
    (line,) = [line for line in shown.splitlines() if f" {calling.pid} " in line][:1]
    addresses = re.findall(r"0x4[0-9a-f]{5}(?![0-9a-f])", line)
    named = subprocess.run(
        ["addr2line", "-f", "-e", program, *addresses], check=True, capture_output=True, text=True
    ).stdout.splitlines()[::2]
    assert [name for name in named if name in CALLERS] == CALLERS
    # what the kernel's addresses are called
    kernel = row["kernel_frames"].split("; ")
    count = row["kstack_sz"] // 8
    assert len(kernel) == count > 1
    for name, address in zip(kernel, row["kstack"], strict=False):
        assert name in kernel_function(address)
    symbol = re.search(rf"\b({re.escape(kernel[1])}\+0x[0-9a-f]+)", line)
    assert symbol
    # and elsewhere, later
    again = beepy("replay", recorded, "-o", "json", *fields)
    assert again.out == out


@pytest.mark.usefixtures("same_pids")
def test_frames_by_build_id(beepy: Beepy, compiled: ObjectOf, tmp_path: Path) -> None:
    source = tmp_path / "calling.c"
    source.write_text(PROGRAM)
    program = probed.compiled(tmp_path, *_FLAGS, "-Wl,--build-id", source=source)
    by_id = STACKS.replace("STACKS(stacks", "STACKS_BY_BUILD_ID(stacks")
    with (
        probed.Probed(program) as calling,
        beepy.start("-v", "run", compiled(by_id), "-o", "json", "--fields", "pid,user_frames") as r,
    ):
        r.until_attached()
        calling.pass_all(1)
        r.until(lambda: f'"pid": {calling.pid},'.encode() in r.out)
        out = r.end().out
    row, *_ = [row for row in rows(out) if row["pid"] == calling.pid]
    with program.open("rb") as file:
        known = executable.read(file.read(), "calling")
    names = function_table.FunctionTable(known)
    words = [word.split("+") for word in row["user_frames"].split("; ")]
    offsets = [int(at, 16) for name, at in words if name == function_table.build_id(known)]
    found = [names.at(function_table.address_at(known, at) or 0) for at in offsets]
    assert [function[0].decode() for function in found[:3] if function] == CALLERS
