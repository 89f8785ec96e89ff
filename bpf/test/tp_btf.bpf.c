// SPDX-License-Identifier: GPL-2.0-only
/* A tracepoint whose arguments have types: they are read with no helper. */
#include "../include/core.h"
#include <bpf/bpf_tracing.h>

struct event {
	u32 pid;
	u32 tid;
	u32 ppid;
	int code;
	char comm[TASK_COMM_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
	__type(value, struct event);
} print_exits SEC(".maps");

SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	struct event *event = bpf_ringbuf_reserve(&print_exits, sizeof(*event), 0);

	if (!event)
		return 0;
	event->pid = task->tgid;
	event->tid = task->pid;
	event->ppid = task->real_parent->tgid;
	event->code = task->exit_code;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
