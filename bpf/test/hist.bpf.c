// SPDX-License-Identifier: GPL-2.0-only
/* A histogram from a ring buffer: prctl(TRIGGER, kind, us) is one observation. */
#include "trigger.h"

struct event {
	u64 us;
	u32 kind;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct event);
} hist_lat SEC(".maps");

TRIGGER_SEC
int observe(struct trace_event_raw_sys_enter *ctx)
{
	struct event *event;

	if (!triggered(ctx))
		return 0;
	event = bpf_ringbuf_reserve(&hist_lat, sizeof(*event), 0);
	if (!event)
		return 0;
	event->us = ctx->args[2];
	event->kind = ctx->args[1];
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
