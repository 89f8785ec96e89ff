// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records of many lengths: prctl(TRIGGER, n, number) sends one to each map, with a text of n bytes
 * (at most 63). Those of print_cut, print_perf and counter_cut are shorter than their type, as
 * execsnoop of libbpf-tools sends them; print_open has an array without a length.
 */
#include "trigger.h"

struct cut {
	u64 number;
	u32 length;
	char args[64];
	u32 never;
};

struct open {
	u32 length;
	char args[];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct cut);
} print_cut SEC(".maps"), counter_cut SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(value, struct cut);
} print_perf SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct open);
} print_open SEC(".maps");

TRIGGER_SEC
int send(struct trace_event_raw_sys_enter *ctx)
{
	u64 length = ctx->args[1], size;
	struct cut cut = {};

	if (!triggered(ctx) || length > 63)
		return 0;
	cut.number = ctx->args[2];
	cut.length = length;
	__builtin_memset(cut.args, 'a', sizeof(cut.args));
	size = __builtin_offsetof(struct cut, args) + length;
	bpf_ringbuf_output(&print_cut, &cut, size, 0);
	bpf_ringbuf_output(&counter_cut, &cut, size, 0);
	if (length)
		cut.args[length - 1] = 0;
	bpf_perf_event_output(ctx, &print_perf, BPF_F_CURRENT_CPU, &cut, size);
	bpf_ringbuf_output(&print_open, &cut.length, sizeof(u32) + length, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
