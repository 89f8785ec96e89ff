// SPDX-License-Identifier: GPL-2.0-only
/*
 * A record for each getpgid(-FIRST - kind), a call that fails: for benchmarks beside tools that
 * know tracepoints, but no program that user space runs (generator.bpf.c).
 */
#include "generated.h"

#define FIRST 1000

/* User space maps it. */
struct counts {
	u64 sent;
	u64 dropped; /* the ring was full */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, u32);
	__type(value, struct counts);
} calls SEC(".maps");

SEC("tracepoint/syscalls/sys_enter_getpgid")
int generate_call(struct trace_event_raw_sys_enter *ctx)
{
	int pid = ctx->args[0];
	struct counts *counts;
	struct event *event;
	u32 zero = 0;

	if (pid > -FIRST)
		return 0;
	counts = bpf_map_lookup_elem(&calls, &zero);
	if (!counts)
		return 0;
	event = bpf_ringbuf_reserve(&print_events, sizeof(*event), 0);
	if (!event) {
		counts->dropped++;
		return 0;
	}
	fill(event, -pid - FIRST);
	bpf_ringbuf_submit(event, 0);
	counts->sent++;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
