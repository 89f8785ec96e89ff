// SPDX-License-Identifier: GPL-2.0-only
/* How long threads that could run wait for a processor, in microseconds, as a histogram. */
#include "include/core.h"

#define TASK_RUNNING 0

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct task_struct___state {
	unsigned int __state; /* since v5.14 (2f064a59a11f) */
};

struct task_struct___long {
	long state;
};

#pragma clang attribute pop

struct event {
	usecs le;
};

const volatile int target_pid = 0;

/* Since when a thread can run. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, u32);
	__type(value, u64);
} waiting SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
	__type(value, struct event);
} hist_runqlat SEC(".maps");

static __always_inline void wait(struct task_struct *task)
{
	u32 pid = task->pid;
	u64 now;

	if (!pid || (target_pid && target_pid != task->tgid))
		return;
	now = bpf_ktime_get_ns();
	bpf_map_update_elem(&waiting, &pid, &now, BPF_ANY);
}

static __always_inline long state_of(struct task_struct *task)
{
	struct task_struct___state *now = (void *)task;

	if (bpf_core_field_exists(now->__state))
		return now->__state;
	return ((struct task_struct___long *)task)->state;
}

SEC("tp_btf/sched_wakeup")
int woken(u64 *ctx)
{
	wait((struct task_struct *)ctx[0]);
	return 0;
}

SEC("tp_btf/sched_wakeup_new")
int woken_new(u64 *ctx)
{
	wait((struct task_struct *)ctx[0]);
	return 0;
}

SEC("tp_btf/sched_switch")
int switched(u64 *ctx)
{
	struct task_struct *before = (struct task_struct *)ctx[1];
	struct task_struct *next = (struct task_struct *)ctx[2];
	struct event *event;
	u64 *since;
	u32 pid;

	if (state_of(before) == TASK_RUNNING)
		wait(before); /* it was only pushed aside */
	pid = next->pid;
	since = bpf_map_lookup_elem(&waiting, &pid);
	if (!since)
		return 0;
	event = bpf_ringbuf_reserve(&hist_runqlat, sizeof(*event), 0);
	if (event) {
		event->le = (bpf_ktime_get_ns() - *since) / 1000;
		bpf_ringbuf_submit(event, 0);
	}
	bpf_map_delete_elem(&waiting, &pid);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
