// SPDX-License-Identifier: GPL-2.0-only
/*
 * A gadget with tables, which are emptied at each reading: prctl(TRIGGER, op, number) counts by op,
 * and adds number to a histogram.
 */
#include "gadget.h"

#define SLOTS 8

struct key {
	u32 op;
	u32 __pad;
};

struct count {
	gadget_comm comm[TASK_COMM_LEN];
	u64 calls;
	gadget_bytes sum_raw;
};

struct slots {
	gadget_histogram_slot__u32 latency[SLOTS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, struct key);
	__type(value, struct count);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, struct key);
	__type(value, struct slots);
} sizes SEC(".maps");

SAYS(mapiter_calls___counts);
SAYS(mapiter_latencies___sizes);

static struct count no_count;
static struct slots no_slots;

TRIGGER_SEC
int enter(struct trace_event_raw_sys_enter *ctx)
{
	struct key key = {}, one = {};
	struct count *count;
	struct slots *slots;
	u64 number = ctx->args[2];
	u32 slot = 0;

	if (!triggered(ctx))
		return 0;
	key.op = ctx->args[1];
	bpf_map_update_elem(&counts, &key, &no_count, BPF_NOEXIST);
	count = bpf_map_lookup_elem(&counts, &key);
	if (!count)
		return 0;
	bpf_get_current_comm(count->comm, sizeof(count->comm));
	count->calls++;
	count->sum_raw += number;
	bpf_map_update_elem(&sizes, &one, &no_slots, BPF_NOEXIST);
	slots = bpf_map_lookup_elem(&sizes, &one);
	if (!slots)
		return 0;
	for (int i = 0; i < SLOTS - 1; i++)
		if (number >> (i + 1))
			slot = i + 1;
	slots->latency[slot & (SLOTS - 1)]++;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
