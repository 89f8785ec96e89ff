// SPDX-License-Identifier: GPL-2.0-only
/* Samples of what a CPU does. */
#include "../include/core.h"
#include <linux/bpf_perf_event.h>

struct event {
	u32 pid;
	u64 period;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct event);
} print_samples SEC(".maps");

SEC("perf_event")
int sample(struct bpf_perf_event_data *ctx)
{
	struct event *event = bpf_ringbuf_reserve(&print_samples, sizeof(*event), 0);

	if (!event)
		return 0;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->period = ctx->sample_period;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
