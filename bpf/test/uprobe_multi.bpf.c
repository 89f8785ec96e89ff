// SPDX-License-Identifier: GPL-2.0-only
/* Many functions of a program by one link. */
#include "../include/core.h"

struct event {
	u32 pid;
	u32 kind;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
	__type(value, struct event);
} print_calls SEC(".maps");

static __always_inline int report(u32 kind)
{
	struct event *event = bpf_ringbuf_reserve(&print_calls, sizeof(*event), 0);

	if (!event)
		return 0;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->kind = kind;
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("uprobe.multi/libc.so.6:secure_get?nv")
int entered(void *ctx)
{
	return report(1);
}

SEC("uretprobe.multi/libc.so.6:secure_*env")
int left(void *ctx)
{
	return report(2);
}

char LICENSE[] SEC("license") = "GPL";
