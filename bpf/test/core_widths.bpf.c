// SPDX-License-Identifier: GPL-2.0
/*
 * Fields that are wider or narrower in the kernel: a load takes the kernel's width, if no sign
 * can be lost.
 */
#include "core_types.h"

struct task_struct___widths {
	__u32 start_time;		 /* 64 bits in the kernel */
	__u64 flags;			 /* 32 bits */
	__u64 policy;			 /* 32 bits */
	__u16 utime;			 /* 64 bits */
	__u8 nvcsw;			 /* 64 bits */
	__u64 rcu_tasks_idx;		 /* 8 bits */
	struct task_struct *real_parent; /* the same */
	char comm[16];
} KERNEL;

struct task_struct___signs {
	__s64 prio; /* signed in the kernel, 32 bits */
	__s32 start_time;
	__u64 pid;
	__s32 flags; /* of the same width: nothing to change */
	int no_such_field;
} KERNEL;

struct qstr___widths {
	__u64 len;
} KERNEL;

struct dentry___widths {
	__u64 d_flags;
	struct qstr___widths d_name;
} KERNEL;

SEC("tp_btf/sched_process_exit")
int unsigned_loads(__u64 *ctx)
{
	struct task_struct___widths *task = (void *)ctx[0];

	sink = task->start_time;
	sink = task->flags;
	sink = task->policy;
	sink = task->utime;
	sink = task->nvcsw;
	sink = task->comm[1];
	sink = task->real_parent->real_parent != 0;
	return 0;
}

SEC("tp_btf/sched_process_exit")
int signed_loads(__u64 *ctx)
{
	struct task_struct___signs *task = (void *)ctx[0];

	sink = task->flags;
	if (bpf_core_field_exists(task->no_such_field)) {
		sink = task->prio;
		sink = task->start_time;
		sink = task->pid;
	}
	return 0;
}

/* in the ALU form widths do not matter */
SEC("raw_tp/sched_process_exit")
int probed(__u64 *ctx)
{
	struct task_struct___signs *task = (void *)ctx[0];
	struct dentry___widths *dentry = (void *)ctx[1];

	sink = BPF_CORE_READ(task, prio);
	sink = BPF_CORE_READ(task, start_time);
	sink = BPF_CORE_READ(dentry, d_flags);
	sink = BPF_CORE_READ(dentry, d_name.len);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
