/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every thread that ends, with its exit code or the signal that ended it. The image's own file says
 * what the map is called and where it stands:
 *
 *	#define EXITS	      print_exits
 *	#define EXITS_SECTION ".maps"
 */
#include "include/core.h"

struct event {
	u64 start_time; /* ns since boot, without suspend */
	u64 exit_time;	/* the same clock */
	u32 pid;
	u32 tid;
	u32 ppid;
	u32 sig; /* bit 7 is set where a core was dumped */
	int exit_code;
	char comm[TASK_COMM_LEN];
};

const volatile bool trace_failed_only = false;
const volatile bool trace_by_process = false; /* the thread group's leader alone */
const volatile int target_pid = 0;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 22);
	__type(value, struct event);
} EXITS SEC(EXITS_SECTION);

SEC("tracepoint/sched/sched_process_exit")
int sched_process_exit(void *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	u32 pid = id >> 32, tid = (u32)id;
	struct task_struct *task;
	struct event *event;
	int code;

	if (target_pid && target_pid != pid)
		return 0;
	if (trace_by_process && pid != tid)
		return 0;

	task = (struct task_struct *)bpf_get_current_task();
	code = BPF_CORE_READ(task, exit_code);
	if (trace_failed_only && !code)
		return 0;

	event = bpf_ringbuf_reserve(&EXITS, sizeof(*event), 0);
	if (!event)
		return 0;

	event->start_time = BPF_CORE_READ(task, start_time);
	event->exit_time = bpf_ktime_get_ns();
	event->pid = pid;
	event->tid = tid;
	event->ppid = BPF_CORE_READ(task, real_parent, tgid);
	event->sig = code & 0xff;
	event->exit_code = code >> 8;
	bpf_get_current_comm(event->comm, sizeof(event->comm));
	bpf_ringbuf_submit(event, 0);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
