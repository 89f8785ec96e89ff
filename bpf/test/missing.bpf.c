// SPDX-License-Identifier: GPL-2.0-only
/* One program that can be attached everywhere, and three whose attach points no kernel has. */
#include "trigger.h"
#include <bpf/bpf_tracing.h>

struct event {
	u32 number;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
	__type(value, struct event);
} print_numbers SEC(".maps");

TRIGGER_SEC
int present(struct trace_event_raw_sys_enter *ctx)
{
	struct event event = {};

	if (!triggered(ctx))
		return 0;
	event.number = ctx->args[2];
	bpf_ringbuf_output(&print_numbers, &event, sizeof(event), 0);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_beepy")
int no_tracepoint(void *ctx)
{
	return 0;
}

SEC("raw_tp/no_such_tracepoint")
int no_raw_tracepoint(void *ctx)
{
	return 0;
}

SEC("tp_btf/no_such_tracepoint")
int no_type(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
