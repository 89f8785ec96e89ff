// SPDX-License-Identifier: GPL-2.0-only
/* More events than buffers hold; the program counts them: prctl(TRIGGER, n) sends n to each. */
#include "trigger.h"

struct event {
	u64 number;
	u64 filling[31];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
	__type(value, struct event);
} print_ring SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(value, struct event);
} print_perf SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, u32);
	__type(value, u64);
} gauge_produced SEC(".maps");

static __always_inline void count(u32 slot)
{
	u64 *produced = bpf_map_lookup_elem(&gauge_produced, &slot);

	if (produced)
		__sync_fetch_and_add(produced, 1);
}

TRIGGER_SEC
int fill_ring(struct trace_event_raw_sys_enter *ctx)
{
	struct event *event;

	if (!triggered(ctx))
		return 0;
	for (u32 sent = 0; sent < 1000; sent++) {
		if (sent == ctx->args[1])
			break;
		count(0);
		event = bpf_ringbuf_reserve(&print_ring, sizeof(*event), 0);
		if (!event)
			continue;
		event->number = sent;
		bpf_ringbuf_submit(event, 0);
	}
	return 0;
}

TRIGGER_SEC
int fill_perf(struct trace_event_raw_sys_enter *ctx)
{
	struct event event = {};

	if (!triggered(ctx))
		return 0;
	for (u32 sent = 0; sent < 1000; sent++) {
		if (sent == ctx->args[1])
			break;
		count(1);
		event.number = sent;
		bpf_perf_event_output(ctx, &print_perf, BPF_F_CURRENT_CPU, &event, sizeof(event));
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
