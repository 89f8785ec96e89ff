// SPDX-License-Identifier: GPL-2.0-only
/* Processes that the kernel kills because memory ran out, and who asked for it. */
#include "include/regs.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct oom_control {
	unsigned long totalpages;
	struct task_struct *chosen;
};

#pragma clang attribute pop

struct event {
	u32 pid;  /* whose allocation failed */
	u32 tpid; /* who is killed */
	u64 pages;
	char comm[TASK_COMM_LEN];
	char tcomm[TASK_COMM_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
	__type(value, struct event);
} print_kills SEC(".maps");

SEC("kprobe/oom_kill_process")
int BPF_KPROBE(oom_kill_process, struct oom_control *oc)
{
	struct event *event = bpf_ringbuf_reserve(&print_kills, sizeof(*event), 0);
	struct task_struct *chosen;

	if (!event)
		return 0;
	chosen = BPF_CORE_READ(oc, chosen);
	event->pid = bpf_get_current_pid_tgid() >> 32;
	event->tpid = BPF_CORE_READ(chosen, tgid);
	event->pages = BPF_CORE_READ(oc, totalpages);
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	bpf_core_read(event->tcomm, sizeof(event->tcomm), &chosen->comm);
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
