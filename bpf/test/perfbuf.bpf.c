// SPDX-License-Identifier: GPL-2.0-only
/* Events through a perf buffer; prctl(TRIGGER, n, number) sends n of them. */
#include "trigger.h"

struct event {
	u64 number;
	u32 pid;
	char comm[TASK_COMM_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERF_EVENT_ARRAY);
	__type(value, struct event);
} print_events SEC(".maps");

const volatile u32 most = 10;

TRIGGER_SEC
int send(struct trace_event_raw_sys_enter *ctx)
{
	struct event event = {};

	if (!triggered(ctx))
		return 0;
	event.pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(event.comm, sizeof(event.comm));
	for (u32 sent = 0; sent < 1000; sent++) {
		if (sent == ctx->args[1] || sent == most)
			break;
		event.number = ctx->args[2] + sent;
		bpf_perf_event_output(ctx, &print_events, BPF_F_CURRENT_CPU, &event, sizeof(event));
	}
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
