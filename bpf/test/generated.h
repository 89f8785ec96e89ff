/* SPDX-License-Identifier: GPL-2.0-only */
/* Made-up records of exitsnoop's layout, and their ring buffer. */
#ifndef BEEPY_GENERATED_H
#define BEEPY_GENERATED_H

#include "../include/core.h"

struct event {
	u64 start_time;
	u64 exit_time;
	u32 pid;
	u32 tid;
	u32 ppid;
	u32 sig;
	int exit_code;
	char comm[TASK_COMM_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 24);
	__type(value, struct event);
} print_events SEC(".maps");

#define NOBODY (1 << 22) /* PID_MAX_LIMIT: from here on no process has the number */

/* Records of the same kind are equal. */
static __always_inline void fill(struct event *event, u64 kind)
{
	event->start_time = 1000000 + kind * 997;
	event->exit_time = 2000000 + kind * 1009;
	event->pid = NOBODY + (kind & 0xfffff);
	event->tid = NOBODY + (kind & 0xfffff);
	event->ppid = 1 + (kind & 63);
	event->sig = kind & 15;
	event->exit_code = kind & 0xff;
	__builtin_memcpy(event->comm, "worker-aa\0\0\0\0\0\0", sizeof(event->comm));
	event->comm[7] += kind & 15;
	event->comm[8] += kind >> 4 & 15;
}

#endif
