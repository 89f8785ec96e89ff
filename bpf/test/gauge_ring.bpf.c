// SPDX-License-Identifier: GPL-2.0-only
/* A gauge from a ring buffer: prctl(TRIGGER, slot, value) is the slot's new value. */
#include "trigger.h"

struct event {
	s64 value;
	u32 slot;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct event);
} gauge_level SEC(".maps");

TRIGGER_SEC
int set(struct trace_event_raw_sys_enter *ctx)
{
	struct event *event;

	if (!triggered(ctx))
		return 0;
	event = bpf_ringbuf_reserve(&gauge_level, sizeof(*event), 0);
	if (!event)
		return 0;
	event->value = ctx->args[2];
	event->slot = ctx->args[1];
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
