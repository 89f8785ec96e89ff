// SPDX-License-Identifier: GPL-2.0-only
/* A function of the C library, where it begins and where it returns. */
#include "../include/regs.h"

struct event {
	u32 pid;
	u32 returned;
	u64 value;
	char name[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct event);
} print_calls SEC(".maps");

static __always_inline int report(u32 returned, const char *name, u64 value)
{
	struct event *event = bpf_ringbuf_reserve(&print_calls, sizeof(*event), 0);

	if (!event)
		return 0;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->returned = returned;
	event->value = value;
	event->name[0] = 0;
	if (name)
		bpf_probe_read_user_str(event->name, sizeof(event->name), name);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

SEC("uprobe/libc.so.6:getenv")
int BPF_KPROBE(call, const char *name)
{
	return report(0, name, 0);
}

SEC("uretprobe/libc.so.6:getenv")
int BPF_KRETPROBE(call_return, const char *value)
{
	return report(1, 0, !!value);
}

char LICENSE[] SEC("license") = "GPL";
