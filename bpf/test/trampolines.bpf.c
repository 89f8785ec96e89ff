// SPDX-License-Identifier: GPL-2.0-only
/* Functions of the kernel by trampolines: at their entry, at their return, and to decide what they
 * return. */
#include "../include/core.h"
#include <bpf/bpf_tracing.h>

struct event {
	u32 pid;
	u32 kind;
	long value;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 16);
	__type(value, struct event);
} print_calls SEC(".maps");

static __always_inline void report(u32 kind, long value)
{
	struct event *event = bpf_ringbuf_reserve(&print_calls, sizeof(*event), 0);

	if (!event)
		return;
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->kind = kind;
	event->value = value;
	bpf_ringbuf_submit(event, 0);
}

struct linux_binprm;

SEC("fentry/do_exit")
int BPF_PROG(entered, long code)
{
	report(1, code >> 8);
	return 0;
}

SEC("fexit/begin_new_exec")
int BPF_PROG(left, struct linux_binprm *bprm, int ret)
{
	report(2, ret);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
