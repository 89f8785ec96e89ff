// SPDX-License-Identifier: GPL-2.0-only
/* USDT probes: all arguments of one with three, and how many another one has. */
#include "../include/regs.h"
#include <bpf/usdt.bpf.h>

struct event {
	u32 pid;
	s32 count;
	s64 first;
	s64 second;
	s64 third;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct event);
} print_hits SEC(".maps");

SEC("usdt")
int BPF_USDT(three, s64 first, s64 second, s64 third)
{
	struct event *event = bpf_ringbuf_reserve(&print_hits, sizeof(*event), 0);

	if (!event)
		return 0;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->count = bpf_usdt_arg_cnt(ctx);
	event->first = first;
	event->second = second;
	event->third = third;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("usdt")
int plain(struct pt_regs *ctx)
{
	struct event *event = bpf_ringbuf_reserve(&print_hits, sizeof(*event), 0);

	if (!event)
		return 0;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->count = bpf_usdt_arg_cnt(ctx);
	event->first = event->second = event->third = 0;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
